//! Least-squares fits that grow by one column at a time, with their residual and coefficients.

/// A fit whose columns are made orthonormal by the Gram-Schmidt process, which is done twice for full precision.
#[derive(Debug)]
pub(crate) struct LeastSquares {
    /// The data minus the fit.
    pub(crate) residual: Vec<f64>,
    orthonormal: Vec<Vec<f64>>,
    /// For each column, its scalar products with the orthonormal columns up to its own.
    products: Vec<Vec<f64>>,
    projections: Vec<f64>,
}

/// A column is taken to depend linearly on earlier ones if less than this part of it is perpendicular to them: what is
/// left then is rounding.
const INDEPENDENT: f64 = 1e-10;

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], factor: f64, column: &[f64]) {
    from.iter_mut().zip(column).for_each(|(value, part)| *value -= factor * part);
}

impl LeastSquares {
    /// The fit without columns.
    pub(crate) fn new(data: Vec<f64>) -> Self {
        Self { residual: data, orthonormal: Vec::new(), products: Vec::new(), projections: Vec::new() }
    }

    /// Fits one more column. A column that depends linearly on earlier ones gets the coefficient 0.
    pub(crate) fn add(&mut self, mut column: Vec<f64>) {
        let before = dot(&column, &column).sqrt();
        let mut products = vec![0.0; self.orthonormal.len()];
        for _ in 0..2 {
            for (product, earlier) in products.iter_mut().zip(&self.orthonormal) {
                let part = dot(&column, earlier);
                subtract(&mut column, part, earlier);
                *product += part;
            }
        }
        let norm = dot(&column, &column).sqrt();
        let independent = norm > INDEPENDENT * before;
        let scale = if independent { 1.0 / norm } else { 0.0 };
        column.iter_mut().for_each(|value| *value *= scale);
        let projection = dot(&column, &self.residual);
        subtract(&mut self.residual, projection, &column);
        products.push(if independent { norm } else { 1.0 });
        self.products.push(products);
        self.projections.push(projection);
        self.orthonormal.push(column);
    }

    /// The sum of squares that the columns explain.
    pub(crate) fn explained(&self) -> f64 {
        dot(&self.projections, &self.projections)
    }

    /// The coefficients of the columns, in the order in which these were added.
    pub(crate) fn coefficients(&self) -> Vec<f64> {
        self.solve(self.projections.clone())
    }

    /// Solves `R x = y` for the triangle R of the products.
    fn solve(&self, mut y: Vec<f64>) -> Vec<f64> {
        for column in (0..y.len()).rev() {
            y[column] /= self.products[column][column];
            for row in 0..column {
                y[row] -= y[column] * self.products[column][row];
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line through four points: coefficients and residual by the formulas of a straight-line fit.
    #[test]
    fn a_straight_line_and_a_column_too_many() {
        let (x, y) = ([0.0, 1.0, 2.0, 5.0], [1.0, 3.0, 2.0, 8.0]);
        let mut fit = LeastSquares::new(y.to_vec());
        fit.add(vec![1.0; 4]);
        fit.add(x.to_vec());
        fit.add(x.iter().map(|x| 2.0 * x - 3.0).collect());
        // Σx = 8, Σx² = 30, Σy = 14, Σxy = 47: slope (4·47 - 8·14)/(4·30 - 64) = 76/56.
        let slope = 76.0 / 56.0;
        let expected = [(14.0 - 8.0 * slope) / 4.0, slope, 0.0];
        for (got, expected) in fit.coefficients().iter().zip(expected) {
            assert!((got - expected).abs() < 1e-14, "{got} {expected}");
        }
        assert!((fit.explained() + dot(&fit.residual, &fit.residual) - 78.0).abs() < 1e-13);
    }
}
