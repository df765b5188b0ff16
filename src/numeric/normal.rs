//! Normal equations of a least-squares fit: their sums, Cholesky factor and solutions.

/// A column is taken to depend linearly on earlier ones if less than this part of its square is perpendicular to them:
/// what is left then is rounding.
const INDEPENDENT: f64 = 1e-13;

/// The normal matrix `A = Σ w x xᵀ` of columns x, and `b = Σ w x y` for data y.
#[derive(Debug, Clone)]
pub(crate) struct Normal {
    size: usize,
    /// The lower triangle by rows; after [`Normal::factor`] that of the factor L of `A = L Lᵀ`.
    matrix: Vec<f64>,
    data: Vec<f64>,
    /// Columns that depend on earlier ones, whose coefficients are 0.
    dependent: Vec<bool>,
}

impl Normal {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, matrix: vec![0.0; size * size], data: vec![0.0; size], dependent: vec![false; size] }
    }

    /// Adds rows: `columns` holds the columns one after the other.
    pub(crate) fn add(&mut self, columns: &[f64], data: &[f64], weights: &[f64]) {
        self.add_data(columns, data, weights);
        let mut weighted = vec![0.0; weights.len()];
        for (row, x) in columns.chunks_exact(weights.len().max(1)).enumerate() {
            weighted.iter_mut().zip(x.iter().zip(weights)).for_each(|(product, (x, weight))| *product = x * weight);
            for (column, y) in columns.chunks_exact(weights.len()).take(row + 1).enumerate() {
                self.matrix[row * self.size + column] += lanes(&weighted, y);
            }
        }
    }

    /// Adds to `b` alone.
    pub(crate) fn add_data(&mut self, columns: &[f64], data: &[f64], weights: &[f64]) {
        let weighted: Vec<f64> = data.iter().zip(weights).map(|(y, weight)| y * weight).collect();
        for (sum, column) in self.data.iter_mut().zip(columns.chunks_exact(weights.len().max(1))) {
            *sum += lanes(&weighted, column);
        }
    }

    /// The sum of two of the same size.
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.matrix.iter_mut().zip(&other.matrix).for_each(|(sum, part)| *sum += part);
        self.data.iter_mut().zip(&other.data).for_each(|(sum, part)| *sum += part);
        self
    }

    /// `b`.
    pub(crate) fn data(&self) -> &[f64] {
        &self.data
    }

    /// Replaces the matrix by its Cholesky factor.
    pub(crate) fn factor(&mut self) {
        let Self { size, matrix, dependent, .. } = self;
        let size = *size;
        for row in 0..size {
            let before = matrix[row * size + row];
            for column in 0..=row {
                let product: f64 = (0..column).map(|k| matrix[row * size + k] * matrix[column * size + k]).sum();
                let value = matrix[row * size + column] - product;
                matrix[row * size + column] = if column < row {
                    if dependent[column] { 0.0 } else { value / matrix[column * size + column] }
                } else {
                    dependent[row] = value.is_nan() || value <= INDEPENDENT * before;
                    if dependent[row] { 1.0 } else { value.sqrt() }
                };
            }
            if dependent[row] {
                matrix[row * size..row * size + row].fill(0.0);
            }
        }
    }

    /// The number of columns that do not depend on earlier ones.
    pub(crate) fn rank(&self) -> usize {
        self.dependent.iter().filter(|dependent| !**dependent).count()
    }

    /// `A⁻¹ b`.
    pub(crate) fn solve(&self) -> Vec<f64> {
        self.solve_for(&self.data)
    }

    /// `A⁻¹ b` for another b.
    pub(crate) fn solve_for(&self, data: &[f64]) -> Vec<f64> {
        let (size, matrix) = (self.size, &self.matrix);
        let mut x = data.to_vec();
        x.iter_mut().zip(&self.dependent).filter(|(_, dependent)| **dependent).for_each(|(x, _)| *x = 0.0);
        for row in 0..size {
            let product: f64 = (0..row).map(|k| matrix[row * size + k] * x[k]).sum();
            x[row] = (x[row] - product) / matrix[row * size + row];
        }
        for row in (0..size).rev() {
            let product: f64 = (row + 1..size).map(|k| matrix[k * size + row] * x[k]).sum();
            x[row] = (x[row] - product) / matrix[row * size + row];
        }
        x
    }

    /// `A⁻¹`, the covariance matrix of the coefficients for data of variance 1; 0 for columns that depend on others.
    pub(crate) fn inverse(&self) -> Vec<Vec<f64>> {
        let unit = |place: usize| (0..self.size).map(|row| f64::from(u8::from(row == place))).collect::<Vec<_>>();
        (0..self.size).map(|place| self.solve_for(&unit(place))).collect()
    }
}

/// A scalar product in eight sums, which compile to vectors.
fn lanes(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line through four points, given in two parts: coefficients and covariance by the formulas of a straight line.
    #[test]
    fn a_straight_line_and_a_column_too_many() {
        let (x, y) = ([0.0, 1.0, 2.0, 5.0], [1.0, 3.0, 2.0, 8.0]);
        let part = |range: std::ops::Range<usize>| {
            let mut columns = vec![1.0; range.len()];
            columns.extend(&x[range.clone()]);
            columns.extend(x[range.clone()].iter().map(|x| 2.0 * x - 3.0));
            let mut normal = Normal::new(3);
            normal.add(&columns, &y[range.clone()], &vec![1.0; range.len()]);
            normal
        };
        let mut normal = part(0..1).plus(part(1..4));
        normal.factor();
        // Σx = 8, Σx² = 30, Σy = 14, Σxy = 47: slope (4·47 - 8·14)/(4·30 - 64) = 76/56.
        let slope = 76.0 / 56.0;
        for (got, expected) in normal.solve().iter().zip([(14.0 - 8.0 * slope) / 4.0, slope, 0.0]) {
            assert!((got - expected).abs() < 1e-13, "{got} {expected}");
        }
        let inverse = normal.inverse();
        for (a, b, expected) in [(0, 0, 30.0 / 56.0), (0, 1, -8.0 / 56.0), (1, 1, 4.0 / 56.0), (2, 2, 0.0)] {
            assert!((inverse[a][b] - expected).abs() < 1e-13, "{inverse:?}");
        }
        assert_eq!(normal.rank(), 2);
    }
}
