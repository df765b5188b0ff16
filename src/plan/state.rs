//! States of reductions whose data come in chunks: they are updated, merged, serialised and finished.

use ndarray::{ArrayRef, ArrayViewD, Dimension};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::plan::reduce::ReducePlan;
use crate::reduce::answer::Answer;
use crate::reduce::partial::Bytes;
use crate::reduce::partials::Partials;
use crate::reduce::quantity::Quantity;
use crate::shape;

/// The state of a reduction whose data come in chunks.
///
/// ```
/// use ndarray::{Array2, s};
/// use wavemill::reduce::{Answer, Op, ReducePlan};
///
/// let x = Array2::from_shape_fn((100, 6), |(t, i)| ((7 * t + i) % 50) as f64);
/// let plan = ReducePlan::builder(x.shape()).axes(&[0]).ops([Op::Mean, Op::ArgMin]).build(&wavemill::Device::auto())?;
/// // Two workers, in any order.
/// let (mut early, mut late) = (plan.state()?, plan.state()?);
/// late.update(&x.slice(s![60.., ..]), &[60, 0])?;
/// early.update(&x.slice(s![..60, ..]), &[0, 0])?;
/// late.merge(&early)?;
/// assert_eq!(late.finish()?, plan.execute(&x)?);
/// # Ok::<(), wavemill::Error>(())
/// ```
///
/// # Laws
/// [`ReducePlan::state`] is the identity: merging it changes nothing. [`ReduceState::merge`] is associative and
/// commutative, bit for bit, and chunks can be taken in by any state in any order: results depend, in the last bit, on
/// how the array was cut into chunks, and not on which state took in which chunk or when. The exception is
/// [`crate::reduce::Op::Prod`] of floating-point numbers, whose products round: there any order and grouping agree to
/// 1e-15 for each chunk. `tests/reduce_state.rs` checks these laws.
///
/// # Size
/// Some ten to some hundred bytes for each result and quantity, whatever the number of elements.
#[derive(Debug, Clone)]
pub struct ReduceState<E: Element> {
    plan: ReducePlan<E>,
    partials: Partials<E::Scalar>,
}

/// What serialised states begin with: the format's name and version.
const MAGIC: [u8; 8] = *b"wmreduc2";

impl<E: Element> ReduceState<E> {
    pub(crate) fn new(plan: ReducePlan<E>) -> Result<Self> {
        let partials = Partials::of_all(plan.needs(), plan.outputs(), E::PARTS)?;
        Ok(Self { plan, partials })
    }

    /// Takes in the chunk of the array that begins at these indices. Chunks must not overlap.
    ///
    /// # Errors
    /// [`Error::Shape`] if the chunk reaches out of the plan's shape, [`Error::Parameter`] if an operation needs
    /// weights.
    pub fn update<D: Dimension>(&mut self, chunk: &ArrayRef<E, D>, at: &[usize]) -> Result<()> {
        if let Some(op) = self.plan.ops.iter().find(|op| op.weighs()) {
            return Err(Error::parameter("weights", format!("given with update_weighted for {op}"), "none"));
        }
        self.take(chunk.view().into_dyn(), None, at)
    }

    /// Takes in a chunk and its weights, of a shape that broadcasts to the chunk's; operations without weights ignore
    /// them.
    ///
    /// # Errors
    /// As [`ReduceState::update`], and [`Error::Shape`] if the weights do not fit the chunk.
    pub fn update_weighted<D: Dimension, W: Dimension>(
        &mut self,
        chunk: &ArrayRef<E, D>,
        weights: &ArrayRef<f64, W>,
        at: &[usize],
    ) -> Result<()> {
        let chunk = chunk.view().into_dyn();
        let Some(wide) = weights.broadcast(chunk.raw_dim()) else {
            let expected = format!("a shape that broadcasts to {}", shape::written(chunk.shape()));
            return Err(Error::shape("weights", expected, shape::written(weights.shape())));
        };
        self.take(chunk, Some(wide), at)
    }

    fn take(&mut self, chunk: ArrayViewD<'_, E>, weights: Option<ArrayViewD<'_, f64>>, at: &[usize]) -> Result<()> {
        let whole = &self.plan.shape;
        let fits = chunk.ndim() == whole.len()
            && at.len() == whole.len()
            && chunk.shape().iter().zip(at).zip(whole).all(|((&len, &at), &all)| at <= all && len <= all - at);
        if !fits {
            let expected = format!("inside {}", shape::written(whole));
            return Err(Error::shape("chunk", expected, format!("{} at {at:?}", shape::written(chunk.shape()))));
        }
        // Operations without weights ignore them.
        let weights = weights.filter(|_| self.plan.needs().has(Quantity::Weighted));
        let over = self.plan.over.clone();
        let extents = chunk.shape().to_vec();
        let reduced = self.plan.reduce(chunk, weights, |partials| partials)?;
        // Results of the chunk, and the positions of extremes in it, are mapped to those of the whole array.
        let axes = |wanted: bool| (0..over.len()).filter(|&axis| over[axis] == wanted).collect::<Vec<_>>();
        let (kept, gone) = (axes(false), axes(true));
        let output = IndexMap { from: &reduced.order, to: &kept, extents: &extents, at, whole };
        let place = IndexMap { from: &gone, to: &gone, extents: &extents, at, whole };
        let mut outputs = output.indices();
        for mut tile in reduced.tiles {
            tile.move_places(|local| place.index(local as usize) as u64);
            self.partials.merge_at(&tile, &mut outputs);
        }
        Ok(())
    }

    /// Merges another state into this one, with all chunks that it has taken in.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the other state's plan is not equal to this one's.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let same = |a: &ReducePlan<E>, b: &ReducePlan<E>| {
            a.shape == b.shape && a.over == b.over && a.needs() == b.needs() && a.skip == b.skip
        };
        if !same(&self.plan, &other.plan) {
            return Err(Error::parameter(
                "state",
                format!("of the plan {}", self.plan.describe()),
                other.plan.describe(),
            ));
        }
        self.partials.merge(&other.partials);
        Ok(())
    }

    /// The results of what was taken in, in the order of the operations.
    ///
    /// # Errors
    /// [`Error::Shape`] if a result has no elements and an operation needs one, [`Error::Parameter`] if it has nothing
    /// but NaNs.
    pub fn finish(&self) -> Result<Vec<Answer<E>>> {
        let columns = self.plan.columns(&self.partials)?;
        let kept: Vec<_> = (0..self.plan.over.len()).filter(|&axis| !self.plan.over[axis]).collect();
        Ok(self.plan.shaped(columns, &kept))
    }

    /// The state as bytes, little-endian; their number does not depend on the data. The last eight are the 64-bit
    /// FNV-1a hash of the others.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.plan.needs().bits().to_le_bytes());
        bytes.push(self.plan.skip.into());
        bytes.push(E::NAME.len() as u8);
        bytes.extend(E::NAME.as_bytes());
        bytes.extend((self.partials.outputs as u64).to_le_bytes());
        self.partials.write(&mut bytes);
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a state from the bytes that [`ReduceState::to_bytes`] gave for an equal plan, on this machine or another.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the bytes are not a state of such a plan, [`Error::TooLarge`] as for a new state.
    pub fn from_bytes(plan: &ReducePlan<E>, bytes: &[u8]) -> Result<Self> {
        let wrong = |got: String| Error::parameter("bytes", format!("a state of the plan {}", plan.describe()), got);
        let mut state = Self::new(plan.clone())?;
        let expected = state.to_bytes();
        let head = 8 + 2 + 1 + 1 + E::NAME.len() + 8;
        if bytes.len() != expected.len() || bytes[..head] != expected[..head] {
            return Err(wrong(format!(
                "{} bytes of something else, where {} were expected",
                bytes.len(),
                expected.len()
            )));
        }
        let (body, sum) = bytes.split_last_chunk().ok_or_else(|| wrong("nothing".into()))?;
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(wrong("bytes that were damaged on the way: their checksum is another".into()));
        }
        let partials = Partials::read(plan.needs(), plan.outputs(), E::PARTS, &mut Bytes(&body[head..]));
        let reduced: usize =
            plan.shape.iter().zip(&plan.over).filter(|&(_, &over)| over).map(|(&len, _)| len).product();
        let nonsense = || wrong("numbers that no elements come to".into());
        state.partials = partials.filter(|partials| partials.fit(reduced as u64, plan.skip)).ok_or_else(nonsense)?;
        // What a state does not use is written in one way: anything else there would be lost without a word.
        if state.to_bytes() == bytes { Ok(state) } else { Err(nonsense()) }
    }
}

/// The 64-bit FNV-1a hash.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Maps indices in a chunk to indices in the whole array, along some axes.
#[derive(Debug)]
struct IndexMap<'a> {
    /// The axes over which indices in the chunk count, in C order.
    from: &'a [usize],
    /// The axes over which indices in the whole array count, in C order.
    to: &'a [usize],
    extents: &'a [usize],
    at: &'a [usize],
    whole: &'a [usize],
}

impl IndexMap<'_> {
    fn index(&self, mut local: usize) -> usize {
        let mut place = vec![0; self.whole.len()];
        for &axis in self.from.iter().rev() {
            place[axis] = self.at[axis] + local % self.extents[axis];
            local /= self.extents[axis];
        }
        self.to.iter().fold(0, |index, &axis| index * self.whole[axis] + place[axis])
    }

    /// The indices in the whole array of all indices in the chunk, in order.
    fn indices(&self) -> impl Iterator<Item = usize> {
        let inner = self.from.last().map_or(1, |&axis| self.extents[axis]).max(1);
        let all: usize = self.from.iter().map(|&axis| self.extents[axis]).product();
        let rows = all / inner;
        // From one index to the next on the innermost axis it is always the same step.
        (0..rows).flat_map(move |row| {
            let first = self.index(row * inner);
            let step = if inner > 1 { self.index(row * inner + 1) - first } else { 0 };
            (0..inner).map(move |at| first + at * step)
        })
    }
}
