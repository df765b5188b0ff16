//! The tables of kernels and modes that were made last, for plans that need the same ones: in a small plan making them
//! costs as much as an execution.

use std::sync::{Mutex, PoisonError};

use crate::nufft::kernel::Shape;
use crate::nufft::recipe::ModeOrder;
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::numeric::float::Float;

/// The most numbers in all remembered tables of one type: 1 MB of f64. Beyond it all are dropped.
const REMEMBERED: usize = 1 << 17;

/// A kernel: its shape, or none for the Dirichlet kernel, with its width and the bits of what else determines it.
pub(crate) type KernelKey = (Option<Shape>, usize, [u64; 2]);
/// A kernel with the modes and cells of an axis.
pub(crate) type AxisKey = (KernelKey, [usize; 2], ModeOrder);

/// Remembered tables of numbers of one type.
pub(crate) struct Remembered<T>(Mutex<Tables<T>>);

struct Tables<T> {
    kernels: Vec<(KernelKey, KernelTable<T>)>,
    axes: Vec<(AxisKey, ModeAxis<T>)>,
    numbers: usize,
}

impl<T: Float> Remembered<T> {
    /// No tables.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Tables { kernels: Vec::new(), axes: Vec::new(), numbers: 0 }))
    }

    /// The table of a kernel, made if it is not remembered.
    pub(crate) fn kernel(&self, key: KernelKey, make: impl FnOnce() -> KernelTable<T>) -> KernelTable<T> {
        self.found(|tables| &mut tables.kernels, key, make, |table| table.coefficients.len())
    }

    /// The factors of an axis, made if they are not remembered.
    pub(crate) fn axis(&self, key: AxisKey, make: impl FnOnce() -> ModeAxis<T>) -> ModeAxis<T> {
        self.found(|tables| &mut tables.axes, key, make, |axis| axis.count() / 2 + 1)
    }

    fn found<K: PartialEq, V: Clone>(
        &self,
        list: impl Fn(&mut Tables<T>) -> &mut Vec<(K, V)>,
        key: K,
        make: impl FnOnce() -> V,
        numbers: impl Fn(&V) -> usize,
    ) -> V {
        let tables = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = list(&mut tables()).iter().find(|(known, _)| *known == key) {
            return value.clone();
        }
        // The lock is open meanwhile: making a table may run tasks that need it.
        let value = make();
        let more = numbers(&value);
        if more > REMEMBERED {
            return value;
        }
        let mut tables = tables();
        if tables.numbers + more > REMEMBERED {
            *tables = Tables { kernels: Vec::new(), axes: Vec::new(), numbers: 0 };
        }
        tables.numbers += more;
        list(&mut tables).push((key, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(remembered: &Remembered<f64>, modes: usize, made: &mut usize) -> ModeAxis<f64> {
        let key = ((Some(Shape::Prolate), 7, [0, 0]), [modes, 2 * modes], ModeOrder::Centred);
        remembered.axis(key, || {
            *made += 1;
            ModeAxis::exact(modes, 2 * modes, ModeOrder::Centred)
        })
    }

    #[test]
    fn a_table_is_made_once_until_there_are_too_many() {
        let (remembered, mut made) = (Remembered::new(), 0);
        for _ in 0..3 {
            for modes in [10, 20] {
                assert_eq!(axis(&remembered, modes, &mut made).count(), modes);
            }
        }
        assert_eq!(made, 2);
        // The first of these fills the memory, the second drops all, the fourth does not fit and drops none.
        for modes in [2 * REMEMBERED - 100, 200, 10, 4 * REMEMBERED, 10] {
            axis(&remembered, modes, &mut made);
        }
        assert_eq!(made, 6);
    }
}
