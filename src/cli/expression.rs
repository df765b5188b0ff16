//! Results as sums and differences in the manner of NumPy: `x[1000] - x.mean(time)`.

use anyhow::{Context, Result, bail, ensure};
use wavemill::dynamic::Values;
use wavemill::reduce::Op;
use wavemill::source::{Description, ElementType};
use wavemill::stream::{Kept, Request};

use crate::axes::{axes, slice};
use crate::named::Named;

/// A named sum of terms, each an operation over a part of the data.
#[derive(Debug)]
pub(crate) struct Expression {
    name: String,
    text: String,
    /// Each term's sign and what it asks for.
    terms: Vec<(f64, Request)>,
}

impl Expression {
    /// Parses `name=term ± term ..`, where a term is `x`, indices in brackets if there are any, and `.op(axes)`. A term
    /// of indices alone must leave no more than the data without the axes that are indexed.
    pub(crate) fn parse(text: &str, about: &Description) -> Result<Self> {
        let (name, sum) =
            text.split_once('=').with_context(|| format!("--expr {text}: begin with a name, as mean=x.mean(0)"))?;
        let name = name.trim();
        ensure!(
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')),
            "--expr {text}: the name before = may have letters, digits, - and _"
        );
        let mut terms = Vec::new();
        let mut rest = sum.trim();
        let mut sign = 1.0;
        loop {
            let (request, after) = term(rest, about).with_context(|| format!("--expr {text}"))?;
            terms.push((sign, request));
            let after = after.trim_start();
            let Some(next) = after.chars().next() else { break };
            sign = match next {
                '+' => 1.0,
                '-' => -1.0,
                _ => bail!("--expr {text}: expected + or - before \"{after}\""),
            };
            rest = after[1..].trim_start();
        }
        Ok(Self { name: name.to_owned(), text: sum.trim().to_owned(), terms })
    }

    /// The name of its result.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the terms ask for, in their order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.terms.iter().map(|(_, request)| request.clone()).collect()
    }

    /// Takes the results of the terms from all results, and adds them up.
    pub(crate) fn combine(
        &self,
        results: &mut impl Iterator<Item = (usize, Vec<Values>)>,
        axes_of: &impl Fn(usize) -> Vec<Kept>,
    ) -> Result<Named> {
        let mut all: Option<(ndarray::ArrayD<f64>, Vec<Kept>)> = None;
        let mut single = true;
        let mut only = None;
        for (sign, _) in &self.terms {
            let (at, mut found) = results.next().context("a term has no result")?;
            let values = found.pop().context("a term has no result")?;
            single &= values.element() == ElementType::Float32;
            let numbers = values.to_f64().with_context(|| format!("{}: sums are of real numbers", self.text))? * *sign;
            all = Some(match all {
                None => (numbers, axes_of(at)),
                Some((sum, axes)) => {
                    ensure!(
                        sum.shape() == numbers.shape(),
                        "{}: its terms have the shapes {:?} and {:?}; reduce the same axes in all of them",
                        self.text,
                        sum.shape(),
                        numbers.shape()
                    );
                    (sum + numbers, axes)
                }
            });
            only = Some(values);
        }
        let (sum, axes) = all.context("an expression has no terms")?;
        let values = match only {
            Some(values) if self.terms.len() == 1 => values,
            _ if single => Values::Float32(sum.mapv(|x| x as f32)),
            _ => Values::Float64(sum),
        };
        Ok(Named { name: self.name.clone(), label: self.name.clone(), values, axes })
    }
}

/// One term, and what follows it.
fn term<'a>(text: &'a str, about: &Description) -> Result<(Request, &'a str)> {
    let rest =
        text.strip_prefix('x').with_context(|| format!("a term begins with x, the data; not with \"{text}\""))?;
    let (mut slices, mut indexed) = (Vec::new(), Vec::new());
    let mut rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        let (list, after) = inside.split_once(']').context("a [ has no ]")?;
        for (axis, part) in list.split(',').enumerate() {
            ensure!(axis < about.shape.len(), "[{list}] has more indices than the data has axes");
            slices.push((axis, slice(part)?));
            if !part.contains(':') {
                indexed.push(axis);
            }
        }
        rest = after;
    }
    let Some(call) = rest.strip_prefix('.') else {
        ensure!(
            !indexed.is_empty(),
            "x and its slices are as large as the data; take one index, as x[7], or reduce them"
        );
        // The mean of one element is that element.
        let request = Request::new([Op::Mean]).axes(&indexed);
        return Ok((slices.into_iter().fold(request, |request, (axis, slice)| request.slice(axis, slice)), rest));
    };
    let (op, inside) =
        call.split_once('(').with_context(|| format!("expected an operation as mean(0) at \"{call}\""))?;
    let (list, after) = inside.split_once(')').context("a ( has no )")?;
    let op: Op = op.trim().parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut over: Vec<usize> = indexed.clone();
    if list.trim().is_empty() {
        over = (0..about.shape.len()).collect();
    } else {
        let names: Vec<_> = list.split(',').map(|name| name.trim().to_owned()).collect();
        over.extend(axes(&names, about)?);
    }
    over.sort_unstable();
    over.dedup();
    let request = Request::new([op]).axes(&over);
    Ok((slices.into_iter().fold(request, |request, (axis, slice)| request.slice(axis, slice)), after))
}
