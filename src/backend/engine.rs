//! What every backend has: a name, threads, and a place for the numbers of its kernels.
//!
//! Where memory is shared the numbers stay in the caller's arrays, else they are on the device.

use std::fmt;

use ndarray::ArrayView2;

use crate::error::Result;
use crate::real::Number;

/// A device that can hold numbers for kernels.
pub(crate) trait Engine: Clone + fmt::Debug + Send + Sync + 'static {
    /// Numbers a kernel reads; may borrow the caller's.
    type Input<'a, V: Number>;
    /// Numbers a kernel writes; may borrow the caller's.
    type Output<'a, V: Number>;

    /// The device's name for messages.
    fn name(&self) -> String;

    /// Runs host work on the threads this engine was given. It has `items` pieces; below some thousands they are not
    /// shared.
    fn install<R: Send>(&self, _items: usize, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// Makes the caller's numbers readable by kernels, one row for each transform, at any strides: borrowed where
    /// memory is shared, uploaded where it is not.
    fn load<'a, V: Number>(&self, host: ArrayView2<'a, V>) -> Result<Self::Input<'a, V>>;

    /// Makes the caller's array writable by kernels. Where memory is not shared, nothing reaches it before
    /// [`Engine::store`].
    fn open<'a, V: Number>(&self, host: &'a mut [V]) -> Result<Self::Output<'a, V>>;

    /// Brings what kernels wrote to the caller.
    fn store<V: Number>(&self, output: Self::Output<'_, V>) -> Result<()>;
}
