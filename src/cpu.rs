//! The CPU backend: rayon threads, and SIMD chosen at run time.
//!
//! Each kernel is in the file named after it, its inner loop in `src/loops`.

pub(crate) mod deconvolve;
pub(crate) mod fft;
mod grid;
mod gridding;
pub(crate) mod interp;
pub(crate) mod matmul;
mod modes;
pub(crate) mod phase;
mod plain;
pub(crate) mod reduce;
pub(crate) mod spread;

use std::sync::Arc;

use ndarray::ArrayView2;

use crate::backend::engine::Engine;
use crate::backend::product::Multiply;
use crate::backend::reduction::Reduce;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::real::Number;
use crate::reduce::op::Op;
use crate::reduce::partials::Partials;
use crate::reduce::request::{Answered, Reduced, Reduction};

/// The most threads that can be asked for.
const MOST_THREADS: usize = 1024;

/// The CPU. Results are the same bits whatever the number of threads.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Cpu {
    /// Uses the caller's rayon pool: the one whose `install` is on the stack, else the global one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses `threads` threads of its own; 0 means one for each core.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 1024, [`Error::Device`] if the threads cannot be started.
    pub fn with_threads(threads: usize) -> Result<Self> {
        // Thousands more would take the system minutes to start, and no machine has use for them.
        if threads > MOST_THREADS {
            return Err(Error::parameter(
                "threads",
                format!("at most {MOST_THREADS}; 0 is one for each core"),
                threads,
            ));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Device { device: "CPU".into(), reason: error.to_string() })?;
        Ok(Self { pool: Some(Arc::new(pool)) })
    }

    /// The number of threads it uses.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads())
    }
}

impl Engine for Cpu {
    type Input<'a, V: Number> = ArrayView2<'a, V>;
    type Output<'a, V: Number> = &'a mut [V];

    fn name(&self) -> String {
        format!("CPU, {} thread{}", self.threads(), if self.threads() == 1 { "" } else { "s" })
    }

    fn install<R: Send>(&self, items: usize, work: impl FnOnce() -> R + Send) -> R {
        // Handing little work to a pool costs more than the work.
        let pool = self.pool.as_deref().filter(|_| parallel::worth_sharing(items));
        parallel::install(pool, work)
    }

    fn load<'a, V: Number>(&self, host: ArrayView2<'a, V>) -> Result<ArrayView2<'a, V>> {
        Ok(host)
    }

    fn open<'a, V: Number>(&self, host: &'a mut [V]) -> Result<&'a mut [V]> {
        Ok(host)
    }

    fn store<V: Number>(&self, _: &mut [V]) -> Result<()> {
        Ok(())
    }
}

impl Reduce for Cpu {
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>> {
        Ok(self.install(asked.view.len(), || reduce::run(asked, finish)))
    }

    fn plain<E: Element>(&self, asked: &Reduction<'_, E>, ops: &[Op]) -> Option<Answered<E::Scalar>> {
        self.install(asked.view.len(), || plain::run(asked, ops))
    }
}

impl Multiply for Cpu {
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, _: Option<usize>) -> Result<MatmulRecipe> {
        Ok(matmul::recipe::<V>(shape, batch))
    }

    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: &mut Product<'_, V>) -> Result<()> {
        self.install(matmul::work::<V>(recipe), || matmul::run(product));
        Ok(())
    }
}
