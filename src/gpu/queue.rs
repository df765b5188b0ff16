//! The queue of recorded commands, submitted together, once for an execution.
//!
//! Timestamps of the device say how long each stage took.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::device::{Context, PATIENCE};
use crate::nufft::timings::{Stage, Timings};

/// The most passes of a submission that are timed.
const TIMED: u32 = 128;
/// Bytes of a timestamp.
const STAMP: u64 = 8;

/// Recorded commands that wait for their submission.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    encoder: Option<wgpu::CommandEncoder>,
    /// The stage of each pass; two timestamps are taken for a pass.
    stages: Vec<Stage>,
    stamps: Option<Stamps>,
    /// Whether the program submits the commands.
    lent: bool,
}

/// Where the device writes timestamps.
#[derive(Debug)]
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Stamps {
    fn new(context: &Context) -> Result<Option<Self>> {
        if !context.stamped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (count, bytes) = (2 * TIMED, u64::from(2 * TIMED) * STAMP);
        let queries = context.checked("timestamps", || {
            context.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            })
        })?;
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = context.create("timestamps", bytes, usage)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Some(Self { queries, resolved, staging: context.create("timestamps", bytes, usage)? }))
    }
}

impl Queue {
    /// Continues what a program has recorded.
    pub(crate) fn from_encoder(encoder: wgpu::CommandEncoder) -> Self {
        Self { encoder: Some(encoder), lent: true, ..Self::default() }
    }

    /// Gives back what was recorded, for the program to submit.
    pub(crate) fn into_encoder(self) -> Result<wgpu::CommandEncoder> {
        self.encoder.ok_or(Error::Order { call: "submit", first: "record" })
    }

    /// Records commands.
    pub(super) fn record(
        &mut self,
        context: &Context,
        what: &str,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<()> {
        let encoder = self.encoder.take();
        let encoder = context.checked(what, || {
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some("wavemill") };
            let mut encoder = encoder.unwrap_or_else(|| context.device.create_command_encoder(&descriptor));
            record(&mut encoder);
            encoder
        })?;
        self.encoder = Some(encoder);
        Ok(())
    }

    /// Records a pass of dispatches; it is timed if the commands are submitted here.
    pub(super) fn pass(
        &mut self,
        context: &Context,
        stage: Stage,
        what: &str,
        dispatch: impl FnOnce(&mut wgpu::ComputePass<'_>),
    ) -> Result<()> {
        if !self.lent && self.stamps.is_none() {
            self.stamps = Stamps::new(context)?;
        }
        let stamps = self.stamps.take();
        let at = 2 * self.stages.len() as u32;
        let timed = stamps.as_ref().filter(|_| at < 2 * TIMED);
        let done = self.record(context, what, |encoder| {
            let timestamp_writes = timed.map(|stamps| wgpu::ComputePassTimestampWrites {
                query_set: &stamps.queries,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            });
            dispatch(
                &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(what), timestamp_writes }),
            );
        });
        if timed.is_some() {
            self.stages.push(stage);
        }
        self.stamps = stamps;
        done
    }

    /// Submits what was recorded, unless the program does that, waits until it is done and adds the stages' times.
    pub(super) fn submit(&mut self, context: &Context, timings: &mut Timings) -> Result<()> {
        if self.lent {
            return context.alive();
        }
        let Some(mut encoder) = self.encoder.take() else { return context.alive() };
        let (stages, stamps) = (std::mem::take(&mut self.stages), self.stamps.take());
        let stamps = stamps.filter(|_| !stages.is_empty());
        let bytes = 2 * stages.len() as u64 * STAMP;
        let begun = Instant::now();
        let index = context.checked("a submission", || {
            if let Some(Stamps { queries, resolved, staging }) = &stamps {
                encoder.resolve_query_set(queries, 0..2 * stages.len() as u32, resolved, 0);
                encoder.copy_buffer_to_buffer(resolved, 0, staging, 0, bytes);
            }
            context.submissions.fetch_add(1, Ordering::Relaxed);
            context.queue.submit([encoder.finish()])
        })?;
        let Some(stamps) = stamps else { return context.wait(index) };
        let (sender, receiver) = mpsc::channel();
        context.checked("timestamps", || {
            stamps.staging.map_async(wgpu::MapMode::Read, 0..bytes, move |mapped| {
                let _ = sender.send(mapped);
            });
        })?;
        context.wait(index)?;
        let elapsed = begun.elapsed();
        // Another thread may have received this answer while waiting, and be about to hand it over.
        let mapped = receiver.recv_timeout(PATIENCE).is_ok_and(|mapped| mapped.is_ok());
        let view = stamps.staging.get_mapped_range(0..bytes).ok().filter(|_| mapped);
        let ticks = view.map(|view| bytemuck::pod_collect_to_vec::<u8, u64>(&view));
        let period = f64::from(context.queue.get_timestamp_period());
        match ticks.and_then(|ticks| durations(&ticks, period, elapsed)) {
            Some(durations) => stages.iter().zip(durations).for_each(|(stage, took)| timings.add(*stage, took)),
            // A device whose timestamps were wrong once is not timed again.
            None => context.stamped.store(false, Ordering::Relaxed),
        }
        stamps.staging.unmap();
        self.stamps = Some(stamps);
        Ok(())
    }
}

/// The durations of passes by their timestamps; `None` if these run backwards or exceed the time elapsed on the host.
fn durations(ticks: &[u64], period: f64, elapsed: Duration) -> Option<Vec<Duration>> {
    let took = |pair: &[u64]| {
        let ticks = pair[1].checked_sub(pair[0]).filter(|_| pair[0] > 0)?;
        let seconds = ticks as f64 * period * 1e-9;
        (seconds <= 1e5).then(|| Duration::from_secs_f64(seconds))
    };
    let found: Vec<Duration> = ticks.chunks_exact(2).map(took).collect::<Option<_>>()?;
    let total: Duration = found.iter().sum();
    (total <= elapsed + elapsed / 20 + Duration::from_millis(1)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_wrong_are_not_believed() {
        let elapsed = Duration::from_micros(3000);
        let right = durations(&[1_000_000, 2_000_000, 2_000_000, 3_500_000], 1.0, elapsed);
        assert_eq!(right, Some(vec![Duration::from_millis(1), Duration::from_micros(1500)]));
        assert_eq!(durations(&[2_000_000, 1_000_000], 1.0, elapsed), None, "backwards");
        assert_eq!(durations(&[0, 0], 1.0, elapsed), None, "never written");
        assert_eq!(durations(&[1, 10_000_001], 1.0, elapsed), None, "longer than it took");
    }
}
