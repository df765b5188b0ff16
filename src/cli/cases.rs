//! The non-uniform transforms that `bench` measures, with inputs and reference results: the ladder of the 2015 article,
//! and a table of cases in one, two and three dimensions.

use anyhow::Result;
use ndarray::{Array1, ArrayD, ArrayView1};
use num_complex::Complex;
use wavemill::nufft::{Sign, direct};

use crate::args::Precision;

/// The times the 2015 article on NUFFTs in Python gives for M = 100,000, in seconds.
/// <https://jakevdp.github.io/blog/2015/02/24/optimizing-python-with-numpy-and-numba/>
pub(crate) const PUBLISHED: [(&str, f64); 5] =
    [("python", 1.6), ("numpy", 0.45), ("numba", 0.10), ("numba-fast", 0.060), ("Fortran", 0.045)];
/// The M of the published times.
pub(crate) const PUBLISHED_POINTS: usize = 100_000;

/// Terms that are summed for one reference, which takes a fraction of a second on two cores.
const REFERENCE_TERMS: usize = 8_000_000;

/// Which part of the benchmark a case belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// M points to M modes for increasing M, as in the 2015 article.
    Ladder,
    /// The table over dimensions, types and tolerances.
    Table,
    /// The GPU report.
    #[cfg(feature = "gpu")]
    Gpu,
}

impl Group {
    /// The group's name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ladder => "ladder",
            Self::Table => "table",
            #[cfg(feature = "gpu")]
            Self::Gpu => "gpu",
        }
    }
}

/// The sizes of one transform.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) kind: u8,
    pub(crate) modes: Vec<usize>,
    pub(crate) points: usize,
    /// Whether all points lie in 1 % of the period.
    pub(crate) clustered: bool,
}

impl Case {
    /// The dimensions and the type, like "2-D type 1".
    pub(crate) fn label(&self) -> String {
        format!("{}-D type {}", self.modes.len(), self.kind)
    }

    /// The extents, like "256 x 256".
    pub(crate) fn extents(&self) -> String {
        self.modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
    }

    /// The precisions and tolerances with which the case is measured.
    pub(crate) fn accuracies(&self) -> &'static [(Precision, f64)] {
        match self.group {
            Group::Ladder => &[(Precision::F64, 1e-15), (Precision::F32, 1e-6)],
            Group::Table => {
                &[(Precision::F64, 1e-6), (Precision::F64, 1e-9), (Precision::F64, 1e-12), (Precision::F32, 1e-4)]
            }
            #[cfg(feature = "gpu")]
            Group::Gpu => {
                &[(Precision::F32, 1e-4), (Precision::F32, 1e-5), (Precision::F64, 1e-6), (Precision::F64, 1e-9)]
            }
        }
    }
}

/// All cases of the ladder and the table; smaller ones if `quick`.
pub(crate) fn all(quick: bool) -> Vec<Case> {
    let ladder = (3..=17).map(|log| Case {
        group: Group::Ladder,
        kind: 1,
        modes: vec![1 << log],
        points: 1 << log,
        clustered: false,
    });
    let shapes: [&[usize]; 3] =
        if quick { [&[1 << 17], &[256, 256], &[64, 64, 64]] } else { [&[1_000_000], &[1000, 1000], &[100, 100, 100]] };
    let table = shapes.into_iter().flat_map(|modes| {
        let points = modes.iter().product();
        [1, 2].map(|kind| Case { group: Group::Table, kind, modes: modes.to_vec(), points, clustered: false })
    });
    ladder.chain(table).collect()
}

/// The exact result at a sample of the outputs.
#[derive(Debug)]
pub(crate) struct Reference {
    /// Indices into the flattened result.
    pub(crate) at: Vec<usize>,
    /// The direct sums at these indices.
    pub(crate) values: Vec<Complex<f64>>,
}

/// The input of one case, which is the same on every run, and the reference result.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) case: Case,
    pub(crate) points: Vec<Array1<f64>>,
    /// Numbers that f32 holds exactly, so that one reference serves both precisions.
    pub(crate) values: ArrayD<Complex<f64>>,
    pub(crate) reference: Reference,
}

impl Problem {
    /// Generates the input and computes the reference.
    pub(crate) fn new(case: Case) -> Result<Self> {
        let mut random = SplitMix(case.points as u64);
        let scale = match case.group {
            Group::Ladder => 100.0,
            _ if case.clustered => 0.01 * std::f64::consts::TAU,
            _ => std::f64::consts::TAU,
        };
        let points: Vec<Array1<f64>> =
            case.modes.iter().map(|_| (0..case.points).map(|_| scale * random.unit()).collect()).collect();
        let values = match (case.group, case.kind) {
            (Group::Ladder, _) => points[0].mapv(|x| Complex::new(single(x.sin()), 0.0)).into_dyn(),
            (_, kind) => {
                let shape = if kind == 1 { vec![case.points] } else { case.modes.clone() };
                let mut draw = || single(2.0 * random.unit() - 1.0);
                ArrayD::from_shape_simple_fn(shape, || Complex::new(draw(), draw()))
            }
        };
        let reference = Reference::new(&case, &points, &values, &mut random)?;
        Ok(Self { case, points, values, reference })
    }

    /// The coordinates in the form that a plan takes.
    pub(crate) fn views(&self) -> Vec<ArrayView1<'_, f64>> {
        self.points.iter().map(|axis| axis.view()).collect()
    }
}

impl Reference {
    fn new(case: &Case, points: &[Array1<f64>], values: &ArrayD<Complex<f64>>, random: &mut SplitMix) -> Result<Self> {
        let modes: usize = case.modes.iter().product();
        let (outputs, terms) = if case.kind == 1 { (modes, case.points) } else { (case.points, modes) };
        let count = (REFERENCE_TERMS / terms).clamp(16, 256).min(outputs);
        // The sample is every output if there are few, else a random one in each of `count` equal parts.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction of a length below 2^53"
        )]
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let at: Vec<usize> = (0..count)
            .map(|part| {
                let (first, next) = (part * outputs / count, (part + 1) * outputs / count);
                first + ((next - first) as f64 * random.unit()) as usize
            })
            .collect();
        let views: Vec<_> = points.iter().map(|axis| axis.view()).collect();
        let values = if case.kind == 1 {
            let strengths: Vec<_> = values.iter().copied().collect();
            let wanted: Vec<_> = at.iter().map(|&index| mode(&case.modes, index)).collect();
            direct::type1_at(&views, &strengths, &wanted, Sign::Plus)?
        } else {
            direct::type2_at(&views, values.view(), Sign::Plus, &at)?
        };
        Ok(Self { at, values })
    }
}

/// The mode at an index of the flattened result, in centred order.
fn mode(extents: &[usize], mut index: usize) -> [i64; 3] {
    let mut mode = [0; 3];
    for (axis, &extent) in extents.iter().enumerate().rev() {
        mode[axis] = (index % extent).cast_signed() as i64 - (extent / 2).cast_signed() as i64;
        index /= extent;
    }
    mode
}

/// The nearest f32, as f64.
fn single(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
    let single = value as f32;
    f64::from(single)
}

/// Sebastiano Vigna's random generator splitmix64, which gives the same numbers on every machine.
struct SplitMix(u64);

impl SplitMix {
    /// The next number, uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }
}
