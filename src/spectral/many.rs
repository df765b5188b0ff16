//! Periodograms of many series: at the same times, as the pixels of a map, or each at its own, as light curves.

use std::collections::BTreeMap;

use ndarray::{Array, Array1, Array2, ArrayRef, Axis, Dimension};

use crate::error::{Error, Result};
use crate::machine::parallel;
use crate::shape;
use crate::spectral::frequencies::Frequencies;
use crate::spectral::lomb_scargle::{LARGE, LombScargle};
use crate::spectral::series::Values;
use crate::spectral::sums::{Row, Summation, Sums};

/// Series that are transformed at once: they share the evaluation of kernels.
const TOGETHER: usize = 4;

/// Periodograms at given frequencies of any values that were measured at the times, and with the errors, of a
/// [`LombScargle`]. The sums that do not depend on the values are kept.
#[derive(Debug)]
pub struct LombScarglePlan {
    search: LombScargle,
    frequencies: Frequencies,
    summation: Summation,
    /// The sums over the weights, of each block.
    weights: Vec<Sums>,
}

impl LombScargle {
    /// Prepares periodograms of other values at the times of this series.
    ///
    /// # Errors
    /// As [`LombScargle::power`].
    pub fn plan(&self, frequencies: &Frequencies) -> Result<LombScarglePlan> {
        let summation = self.summation(frequencies, self.model, TOGETHER)?;
        let weights = summation.blocks().map(|block| {
            let sums = summation.block(&block, &self.sampling.weights, &[Row::Weights])?;
            Ok(sums.into_iter().next().unwrap_or_default())
        });
        let weights = weights.collect::<Result<_>>()?;
        Ok(LombScarglePlan { search: self.clone(), frequencies: frequencies.clone(), summation, weights })
    }

    /// The powers of many series at the same frequencies, `[series, frequencies]`: the series may have other times and
    /// lengths, and share the options of the first. They are spread over the threads, and transforms are planned once.
    ///
    /// # Errors
    /// As [`LombScargle::power`], and [`Error::Parameter`] if the options differ.
    pub fn power_of_each(series: &[Self], frequencies: &Frequencies) -> Result<Array2<f64>> {
        let mut powers = Array2::zeros((series.len(), frequencies.len()));
        let Some(first) = series.first() else { return Ok(powers) };
        if let Some(index) = series.iter().position(|other| !first.shares_options(other)) {
            let got = format!("others for series {index}");
            return Err(Error::parameter("the options of all series", "those of the first", got));
        }
        let longest = series.iter().max_by_key(|search| search.sampling.len()).unwrap_or(first);
        let prepared = longest.summation(frequencies, first.model, series.len())?;
        let of_one = |(search, mut powers): (&Self, ndarray::ArrayViewMut1<'_, f64>)| {
            let summation = prepared.at(&search.sampling)?;
            let powers = powers.as_slice_mut().unwrap_or(&mut []);
            search.power_of(&search.sampling, &search.values, frequencies, &summation, powers)
        };
        let rows: Vec<_> = series.iter().zip(powers.outer_iter_mut()).collect();
        first.share(rows, frequencies.len(), of_one)?;
        Ok(powers)
    }

    fn shares_options(&self, other: &Self) -> bool {
        let options = |search: &Self| (search.model, search.centre, search.normalization, search.tolerance);
        options(self) == options(other) && self.device.name() == other.device.name()
    }

    /// Does work for each item, on all threads if there are so few frequencies that an item does not use them all.
    fn share<T: Send>(
        &self,
        items: Vec<T>,
        frequencies: usize,
        work: impl Fn(T) -> Result<()> + Send + Sync,
    ) -> Result<()> {
        if frequencies > LARGE {
            return items.into_iter().try_for_each(work);
        }
        let size = items.len().saturating_mul(frequencies.max(self.sampling.len()));
        self.device.install(size, || parallel::try_each(items, |_, item| work(item)))
    }
}

impl LombScarglePlan {
    /// The frequencies.
    #[must_use]
    pub fn frequencies(&self) -> &Frequencies {
        &self.frequencies
    }

    /// The spectral window, as [`LombScargle::window`].
    ///
    /// # Errors
    /// As [`LombScargle::power`].
    pub fn window(&self) -> Result<Array1<f64>> {
        // Of models without a mean the sums of the first order may be missing.
        if self.weights.iter().any(|sums| sums[0].is_empty()) {
            return self.search.window(&self.frequencies);
        }
        Ok(self.weights.iter().flat_map(|sums| &sums[0]).map(|sum| sum.norm_sqr().min(1.0)).collect())
    }

    /// The powers of values along the last axis: `[.., times]` gives `[.., frequencies]`.
    ///
    /// NaN is a gap: the power is that of the series without it, and series with the same gaps are transformed
    /// together. The powers of a series without two different values are NaN.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last axis does not have the length of the times, [`Error::Parameter`] for an infinite
    /// value, [`Error::TooLarge`], [`Error::DeviceLost`].
    pub fn power<D: Dimension>(&self, values: &ArrayRef<f64, D>) -> Result<Array<f64, D>> {
        let (samples, count) = (self.search.sampling.len(), self.frequencies.len());
        let last = Axis(values.ndim().saturating_sub(1));
        if values.ndim() == 0 || values.len_of(last) != samples {
            let expected = format!("a last axis of {samples}, one value for each time");
            return Err(Error::shape("values", expected, shape::written(values.shape())));
        }
        let mut shape = values.raw_dim();
        shape[last.0] = count;
        shape::product("the powers", shape.slice())?;
        let mut powers = Array::from_elem(shape, f64::NAN);
        let mut groups: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(values.len() / samples.max(1));
        for (index, row) in values.lanes(last).into_iter().enumerate() {
            let gaps = row.iter().enumerate().filter(|(_, value)| value.is_nan());
            groups.entry(gaps.map(|(place, _)| place as u32).collect()).or_default().push(index);
            rows.push(row);
        }
        let mut targets: Vec<Option<_>> = powers.lanes_mut(last).into_iter().map(Some).collect();
        for (gaps, members) in groups {
            let mut kept = vec![true; samples];
            gaps.iter().for_each(|&gap| kept[gap as usize] = false);
            let targets = members.iter().filter_map(|&index| targets[index].take());
            let series: Vec<_> = members.iter().map(|&index| rows[index]).zip(targets).collect();
            if gaps.is_empty() {
                self.power_of_rows(&kept, series)?;
            } else if gaps.len() < samples {
                let search = self.search.without(&kept);
                search.plan(&self.frequencies)?.power_of_rows(&kept, series)?;
            }
        }
        Ok(powers)
    }

    /// The powers of series that have values at the kept times.
    fn power_of_rows(
        &self,
        kept: &[bool],
        series: Vec<(ndarray::ArrayView1<'_, f64>, ndarray::ArrayViewMut1<'_, f64>)>,
    ) -> Result<()> {
        let mut groups: Vec<Vec<_>> = Vec::with_capacity(series.len().div_ceil(TOGETHER));
        for one in series {
            match groups.last_mut() {
                Some(group) if group.len() < TOGETHER => group.push(one),
                _ => groups.push(vec![one]),
            }
        }
        let centre = self.search.model.mean || self.search.centre;
        let sampling = &self.search.sampling;
        self.search.share(groups, self.frequencies.len(), |group| {
            let mut prepared = Vec::with_capacity(group.len());
            for (row, powers) in group {
                let values: Vec<f64> =
                    row.iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect();
                let values = Values::new(&values, sampling, centre)?;
                if values.energy > 0.0 {
                    prepared.push((values, powers));
                }
            }
            let mut found = vec![0.0; self.frequencies.len()];
            for (block, weights) in self.summation.blocks().zip(&self.weights) {
                let rows: Vec<Row<'_>> = prepared.iter().map(|(values, _)| Row::Values(&values.values)).collect();
                let sums = self.summation.block(&block, &sampling.weights, &rows)?;
                for (sums, (values, powers)) in sums.iter().zip(&mut prepared) {
                    let found = &mut found[..block.len()];
                    let place = |index| self.frequencies.get(block.start + index);
                    self.search.powers(sampling, values, [sums, weights], place, found);
                    let mut target = powers.slice_mut(ndarray::s![block.clone()]);
                    target.iter_mut().zip(found).for_each(|(power, found)| *power = *found);
                }
            }
            Ok(())
        })
    }
}
