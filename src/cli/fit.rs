//! Least-squares fits that grow by one column at a time, with their residual and coefficients.

/// A fit whose columns are made orthonormal by the Gram-Schmidt process, which is done twice for full precision.
#[derive(Debug)]
pub(crate) struct Fit {
    /// The data minus the fit.
    pub(crate) residual: Vec<f64>,
    orthonormal: Vec<Vec<f64>>,
    /// For each column, its scalar products with the orthonormal columns up to its own.
    products: Vec<Vec<f64>>,
    projections: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], factor: f64, column: &[f64]) {
    from.iter_mut().zip(column).for_each(|(value, part)| *value -= factor * part);
}

impl Fit {
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
        let independent = norm > 1e-10 * before;
        let scale = if independent { 1.0 / norm } else { 0.0 };
        column.iter_mut().for_each(|value| *value *= scale);
        let projection = dot(&column, &self.residual);
        subtract(&mut self.residual, projection, &column);
        products.push(if independent { norm } else { 1.0 });
        self.products.push(products);
        self.projections.push(projection);
        self.orthonormal.push(column);
    }

    /// The coefficients of the columns, in the order in which these were added.
    pub(crate) fn coefficients(&self) -> Vec<f64> {
        let mut factors = self.projections.clone();
        for column in (0..factors.len()).rev() {
            factors[column] /= self.products[column][column];
            for row in 0..column {
                factors[row] -= factors[column] * self.products[column][row];
            }
        }
        factors
    }
}
