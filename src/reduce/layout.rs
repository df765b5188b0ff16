//! The memory layout of an array to be reduced: its kept and reduced axes, in an order that suits the memory.

use std::marker::PhantomData;

use ndarray::{ArrayViewD, Axis};

/// Results or elements that are too few for a loop of their own.
const FEW: usize = 8;

/// Extent and stride of an axis, in elements.
type Extent = (usize, isize);

/// Which elements are adjacent in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Elements of one result: this many.
    Run(usize),
    /// Elements of neighbouring results, one of each: this many.
    Columns(usize),
    /// None that help: elements are fetched one by one.
    Scattered,
}

/// An array seen as results and the elements of each, in an order that suits the memory.
#[derive(Debug, Clone)]
pub(crate) struct Layout<'a, E> {
    /// Axes of results, without that of [`Inner::Columns`].
    kept: Vec<Extent>,
    /// Axes of a result's elements, without that of [`Inner::Run`].
    reduced: Vec<Extent>,
    pub(crate) inner: Inner,
    /// The kept axes of the array; results are in C order over them.
    pub(crate) order: Vec<usize>,
    start: *const E,
    life: PhantomData<&'a [E]>,
}

// SAFETY: it is a shared view of elements that are `Sync`.
unsafe impl<E: Sync> Send for Layout<'_, E> {}
// SAFETY: as above.
unsafe impl<E: Sync> Sync for Layout<'_, E> {}

impl<'a, E> Layout<'a, E> {
    /// The layout of a view that is reduced over the axes marked in `over`. With `in_order` a result's elements come in
    /// C order, else in the order of memory; with `adjacent` neighbours in memory are looked for.
    pub(crate) fn new(mut view: ArrayViewD<'a, E>, over: &[bool], in_order: bool, adjacent: bool) -> Self {
        if !in_order {
            for (axis, &over) in over.iter().enumerate() {
                if over && view.strides()[axis] < 0 {
                    view.invert_axis(Axis(axis));
                }
            }
        }
        let axes = |wanted: bool| -> Vec<usize> {
            // An axis of one element takes no step in memory; an empty axis is kept, since it makes the product 0.
            (0..view.ndim()).filter(|&axis| over[axis] == wanted && view.len_of(Axis(axis)) != 1).collect()
        };
        let outwards = |axis: &usize| std::cmp::Reverse(view.strides()[*axis].unsigned_abs().wrapping_sub(1));
        let (mut order, mut reduced) = (axes(false), axes(true));
        if adjacent {
            order.sort_by_key(outwards);
            if !in_order {
                reduced.sort_by_key(outwards);
            }
        }
        let extents = |axes: &[usize]| {
            let mut extents: Vec<Extent> = Vec::new();
            for &axis in axes {
                let (len, stride) = (view.len_of(Axis(axis)), view.strides()[axis]);
                match extents.last_mut() {
                    Some((outer, step)) if *step == stride * len as isize => (*outer, *step) = (*outer * len, stride),
                    _ => extents.push((len, stride)),
                }
            }
            extents
        };
        let (mut kept, mut reduced) = (extents(&order), extents(&reduced));
        let mut inner = Inner::Scattered;
        if adjacent {
            if let Some(&(len, 1)) = reduced.last() {
                inner = Inner::Run(len);
                reduced.pop();
            } else if let Some(&(len, 1)) = kept.last() {
                inner = Inner::Columns(len);
                kept.pop();
            }
        }
        // Axes of one element are axes of the results too.
        order.extend((0..view.ndim()).filter(|&axis| !over[axis] && view.len_of(Axis(axis)) == 1));
        Self { kept, reduced, inner, order, start: view.as_ptr(), life: PhantomData }
    }

    /// The same elements as an [`Inner::Scattered`] layout.
    pub(crate) fn scattered(mut self) -> Self {
        match std::mem::replace(&mut self.inner, Inner::Scattered) {
            Inner::Run(len) => self.reduced.push((len, 1)),
            Inner::Columns(len) => self.kept.push((len, 1)),
            Inner::Scattered => {}
        }
        self
    }

    /// The number of results; with [`Inner::Columns`], of sets of as many results as there are columns.
    pub(crate) fn outer(&self) -> usize {
        self.kept.iter().map(|&(len, _)| len).product()
    }

    /// The number of elements of a result; with [`Inner::Run`], of runs of a result.
    pub(crate) fn steps(&self) -> usize {
        self.reduced.iter().map(|&(len, _)| len).product()
    }

    /// The number of results.
    pub(crate) fn outputs(&self) -> usize {
        self.outer() * if let Inner::Columns(len) = self.inner { len } else { 1 }
    }

    /// The number of elements of each result.
    pub(crate) fn elements(&self) -> usize {
        self.steps() * if let Inner::Run(len) = self.inner { len } else { 1 }
    }

    /// `len` adjacent elements from index `skip` of the run or the columns at these indices.
    pub(crate) fn slice(&self, outer: usize, step: usize, skip: usize, len: usize) -> &'a [E] {
        let all = match self.inner {
            Inner::Run(len) | Inner::Columns(len) => len,
            Inner::Scattered => 1,
        };
        assert!(skip <= all && len <= all - skip && outer < self.outer() && step < self.steps());
        let offset = offset(&self.kept, outer) + offset(&self.reduced, step) + skip as isize;
        // SAFETY: the indices are inside the view this was made of, and `len` elements from there on are in the view,
        // one after another.
        unsafe { std::slice::from_raw_parts(self.start.offset(offset), len) }
    }

    /// All elements of the results of an outer index, if they follow one another in memory as rows of columns.
    pub(crate) fn block(&self, outer: usize) -> Option<&'a [E]> {
        match (self.inner, &self.reduced[..]) {
            (Inner::Columns(columns), &[(steps, stride)]) if stride == columns as isize => {
                assert!(outer < self.outer());
                let start = offset(&self.kept, outer);
                // SAFETY: the outer index is inside the view this was made of, and each step's columns are followed by
                // the next's.
                Some(unsafe { std::slice::from_raw_parts(self.start.offset(start), steps * columns) })
            }
            _ => None,
        }
    }

    /// All elements of `count` results, if each result is one run and the next result's run follows it in memory.
    pub(crate) fn together(&self, outer: usize, count: usize) -> Option<&'a [E]> {
        match (self.inner, &self.kept[..], &self.reduced[..]) {
            (Inner::Run(len), &[(outers, stride)], []) if stride == len as isize => {
                assert!(outer <= outers && count <= outers - outer);
                // SAFETY: the indices are inside the view this was made of, and each result's elements are followed by
                // the next's.
                Some(unsafe { std::slice::from_raw_parts(self.start.add(outer * len), count * len) })
            }
            _ => None,
        }
    }
}

impl<E: Copy> Layout<'_, E> {
    /// Appends the columns of `count` outer indices at one step. For layouts of columns only.
    pub(crate) fn comb(&self, outer: usize, count: usize, step: usize, to: &mut Vec<E>) {
        let Inner::Columns(columns) = self.inner else { return };
        let &[(outers, stride)] = &self.kept[..] else {
            (outer..outer + count).for_each(|outer| to.extend_from_slice(self.slice(outer, step, 0, columns)));
            return;
        };
        assert!(outer <= outers && count <= outers - outer && step < self.steps());
        let first = outer as isize * stride + offset(&self.reduced, step);
        to.reserve(count * columns);
        for index in 0..count as isize {
            for column in 0..columns as isize {
                // SAFETY: outer index, step and column are inside the view this was made of.
                to.push(unsafe { *self.start.offset(first + index * stride + column) });
            }
        }
    }

    /// The places in memory of a result's elements, relative to its first, in the order of the elements.
    pub(crate) fn places(&self) -> Vec<isize> {
        let run = if let Inner::Run(len) = self.inner { len } else { 1 };
        let starts = (0..self.steps()).map(|step| offset(&self.reduced, step));
        starts.flat_map(|start| (start..).take(run)).collect()
    }

    /// Copies elements as rows of `to`, each `width` long: row k gets the elements at `places[k]` of the results from
    /// `first` on, `count` of them. The places are those of [`Layout::places`].
    pub(crate) fn gather<T>(
        &self,
        (first, count): (usize, usize),
        places: &[isize],
        (to, width): (&mut [T], usize),
        convert: impl Fn(E) -> T,
    ) {
        assert!(first + count <= self.outputs() && places.len() <= self.elements());
        assert!(count <= width && places.len() * width <= to.len());
        let (columns, step) = match (self.inner, self.kept.last()) {
            (Inner::Columns(columns), _) => (columns, 1),
            (_, Some(&(len, step))) => (len, step),
            (_, None) => (1, 0),
        };
        let start_of = |result: usize| match self.inner {
            Inner::Columns(_) => offset(&self.kept, result / columns) + (result % columns) as isize,
            _ => offset(&self.kept, result),
        };
        if columns < FEW {
            let starts: Vec<isize> = (first..first + count).map(start_of).collect();
            for (row, &place) in places.iter().enumerate() {
                for (to, &start) in to[row * width..][..count].iter_mut().zip(&starts) {
                    // SAFETY: a result's start and a place lead to an element of the view this was made of.
                    *to = convert(unsafe { *self.start.offset(start + place) });
                }
            }
            return;
        }
        // Runs of results that are `step` apart.
        let mut done = 0;
        while done < count {
            let run = (columns - (first + done) % columns).min(count - done);
            let start = start_of(first + done);
            // SAFETY: `start`, the result's step and the place lead to an element of the view this was made of, and the
            // row and column are of `to`, as asserted.
            let mut copy = |row: usize, place: isize, result: usize| unsafe {
                let x = *self.start.offset(start + result as isize * step + place);
                *to.get_unchecked_mut(row * width + done + result) = convert(x);
            };
            // Elements are read in the order of memory if a result has many.
            if places.len() < FEW || step.unsigned_abs() <= places[1].unsigned_abs() {
                for (row, &place) in places.iter().enumerate() {
                    (0..run).for_each(|result| copy(row, place, result));
                }
            } else {
                for result in 0..run {
                    places.iter().enumerate().for_each(|(row, &place)| copy(row, place, result));
                }
            }
            done += run;
        }
    }

    /// Calls `take` for `count` elements of a result from step `first` on. For scattered layouts only.
    pub(crate) fn visit(&self, outer: usize, first: usize, count: usize, mut take: impl FnMut(E)) {
        assert!(self.inner == Inner::Scattered && outer < self.outer() && first + count <= self.steps());
        let base = offset(&self.kept, outer);
        let &(len, stride) = self.reduced.last().unwrap_or(&(1, 0));
        let mut step = first;
        while step < first + count {
            // The elements that are left on the last axis.
            let row = (len - step % len).min(first + count - step);
            let start = base + offset(&self.reduced, step);
            for i in 0..row as isize {
                // SAFETY: step + i is below the number of steps, and outer below that of results: the element is in the
                // view.
                take(unsafe { *self.start.offset(start + i * stride) });
            }
            step += row;
        }
    }
}

/// The offset in memory of an index in C order over some axes, none of them empty.
fn offset(axes: &[Extent], mut index: usize) -> isize {
    let Some((&(_, outermost), inner)) = axes.split_first() else { return 0 };
    let mut offset = 0;
    for &(len, stride) in inner.iter().rev() {
        offset += (index % len) as isize * stride;
        index /= len;
    }
    offset + index as isize * outermost
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, ArrayD, IxDyn, Slice};

    use super::*;

    fn array(shape: &[usize]) -> ArrayD<u32> {
        Array::from_iter(0..shape.iter().product::<usize>() as u32).into_shape_with_order(IxDyn(shape)).unwrap()
    }

    #[test]
    fn neighbours_are_found() {
        let x = array(&[4, 5, 6]);
        let layout = |over: [bool; 3]| Layout::new(x.view(), &over, false, true);
        let whole = layout([true; 3]);
        assert_eq!((whole.inner, whole.outer(), whole.steps()), (Inner::Run(120), 1, 1));
        let first = layout([true, false, false]);
        assert_eq!((first.inner, first.outer(), first.steps()), (Inner::Columns(30), 1, 4));
        let middle = layout([false, true, false]);
        assert_eq!((middle.inner, middle.outer(), middle.steps()), (Inner::Columns(6), 4, 5));
        assert_eq!(middle.slice(3, 2, 1, 3), [103, 104, 105]);
        let outer = layout([true, false, true]);
        assert_eq!((outer.inner, outer.outer(), outer.steps()), (Inner::Run(6), 5, 4));
        assert_eq!(outer.together(0, 2), None);
        assert_eq!(layout([false, false, true]).together(3, 2).unwrap(), (18..30).collect::<Vec<_>>());
        assert_eq!(outer.slice(1, 3, 4, 2), [100, 101]);
    }

    #[test]
    fn elements_are_gathered_as_rows() {
        // Few and many columns, runs, scattered elements, elements of several axes; forwards, backwards, two apart.
        let shapes = [
            ([4, 5, 6], [false, true, false]),
            ([3, 20, 2], [false, true, false]),
            ([9, 2, 3], [true, false, true]),
            ([7, 4, 3], [false, false, true]),
            ([2, 3, 30], [true, false, false]),
        ];
        for (shape, over) in shapes {
            let x = array(&shape);
            let mut back = x.view();
            back.invert_axis(Axis(2));
            let apart = x.slice_each_axis(|axis| Slice::new(0, None, if axis.axis.0 == 1 { 1 } else { 2 }));
            for view in [x.view(), x.view().reversed_axes(), back, apart] {
                let layout = Layout::new(view.view(), &over, true, true);
                let (places, results) = (layout.places(), layout.outputs());
                let axes: Vec<_> = layout.order.iter().copied().chain((0..3).filter(|&axis| over[axis])).collect();
                let expected = view.view().permuted_axes(IxDyn(&axes)).as_standard_layout().into_owned();
                let expected = expected.into_shape_with_order((results, places.len())).unwrap();
                let (first, width) = (results / 3, results + 3);
                let mut rows = vec![u32::MAX; places.len() * width];
                layout.gather((first, results - first), &places, (&mut rows, width), |x| x);
                for (row, found) in rows.chunks(width).enumerate() {
                    let wanted: Vec<_> = (first..results).map(|result| expected[[result, row]]).collect();
                    assert_eq!(found[..results - first], wanted, "{shape:?} over {over:?}, element {row}");
                    assert!(found[results - first..].iter().all(|&x| x == u32::MAX), "more was written");
                }
            }
        }
    }

    #[test]
    fn the_order_of_memory_or_of_indices() {
        let x = array(&[4, 5]);
        let transposed = x.t();
        let sum = Layout::new(transposed.view(), &[true, true], false, true);
        assert_eq!(sum.inner, Inner::Run(20));
        let places = Layout::new(transposed.view(), &[true, true], true, true);
        assert_eq!(places.inner, Inner::Scattered);
        let mut seen = Vec::new();
        places.visit(0, 3, 4, |x| seen.push(x));
        assert_eq!(seen, [15, 1, 6, 11]);
        let kept = Layout::new(transposed.view(), &[false, true], false, true);
        assert_eq!((kept.inner, kept.outer()), (Inner::Columns(5), 1));
        let mut back = x.view();
        back.invert_axis(Axis(1));
        assert_eq!(Layout::new(back.view(), &[false, true], false, true).inner, Inner::Run(5));
        assert_eq!(Layout::new(back.view(), &[false, true], true, true).inner, Inner::Scattered);
    }
}
