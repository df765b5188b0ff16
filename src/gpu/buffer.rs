//! Device memory: making buffers, copying numbers there and back, and windows onto some transforms of a batch.

use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use crate::error::{Error, Result};
use crate::gpu::device::{Context, PATIENCE, lock};
use crate::real::Real;

/// Bytes copied in one piece: it bounds staging memory, which is pinned.
const PIECE: u64 = 64 << 20;

/// Bytes of one complex number.
pub(super) const fn complex_bytes<T>() -> u64 {
    2 * size_of::<T>() as u64
}

/// The most buffers kept for reuse: making one takes longer than a small transform, and fresh memory is cleared first.
const POOLED: usize = 6;

/// Device memory that returns to the device's pool when it is dropped, if it came from there.
#[derive(Debug)]
pub(super) struct Lease {
    buffer: wgpu::Buffer,
    home: Option<Arc<Context>>,
}

impl Lease {
    /// A buffer that belongs to the program.
    pub(super) fn foreign(buffer: wgpu::Buffer) -> Self {
        Self { buffer, home: None }
    }
}

impl Deref for Lease {
    type Target = wgpu::Buffer;
    fn deref(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut pool = lock(&home.pool);
            pool.push(self.buffer.clone());
            if pool.len() > POOLED {
                pool.remove(0);
            }
        }
    }
}

/// Complex numbers in device memory that kernels read; `V` says what they are on the host, where they may be real.
#[derive(Debug)]
pub(crate) struct Input<V> {
    pub(super) buffer: Lease,
    pub(super) kind: PhantomData<V>,
}

/// Complex numbers in device memory that kernels write, and the host's array that they are brought to at the end: all
/// of each number, or its real part if `V` is real.
#[derive(Debug)]
pub(crate) struct Output<'a, V> {
    pub(super) buffer: Lease,
    pub(super) host: Option<&'a mut [V]>,
}

/// Numbers in device memory, one after another as in a slice on the host: strengths, modes, values, coordinates or
/// matrices.
///
/// [`crate::Gpu::upload`] and [`crate::Gpu::zeros`] make one, [`crate::Gpu::array`] makes one of a buffer that the
/// program has, and [`crate::Gpu::download`] brings its numbers to the host.
#[derive(Debug)]
pub struct Array<V> {
    pub(super) buffer: wgpu::Buffer,
    pub(super) len: usize,
    pub(super) kind: PhantomData<V>,
}

impl<V> Array<V> {
    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffer they are in, from its beginning on, for the program's own commands. It may be longer than the
    /// numbers.
    #[must_use]
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

impl<V> From<&Array<V>> for Input<V> {
    fn from(array: &Array<V>) -> Self {
        Self { buffer: Lease::foreign(array.buffer.clone()), kind: PhantomData }
    }
}

impl<V> From<&mut Array<V>> for Output<'static, V> {
    fn from(array: &mut Array<V>) -> Self {
        Self { buffer: Lease::foreign(array.buffer.clone()), host: None }
    }
}

/// Bytes on their way to the host.
#[derive(Debug)]
pub(super) struct Fetch {
    what: &'static str,
    staging: wgpu::Buffer,
    size: u64,
    submitted: wgpu::SubmissionIndex,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Fetch {
    /// Waits for the bytes and reads them.
    pub(super) fn read<R>(self, context: &Context, read: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Self { what, staging, size, submitted, mapped } = self;
        context.wait(submitted)?;
        // Another thread may have received this answer while waiting, and be about to hand it over.
        let mapped = mapped
            .recv_timeout(PATIENCE)
            .map_err(|_| context.error(format!("{what}: the driver did not map memory")))?;
        mapped.map_err(|error| context.error(format!("{what}: {error}")))?;
        let view = staging.get_mapped_range(0..size).map_err(|error| context.error(format!("{what}: {error}")))?;
        let done = read(&view);
        drop(view);
        staging.unmap();
        let mut kept = lock(&context.staging);
        if kept.as_ref().is_none_or(|kept| kept.size() < staging.size()) {
            *kept = Some(staging);
        }
        Ok(done)
    }
}

/// Two buffers that pieces of the host's data go to in turn, so that one piece travels while the other is read.
#[derive(Debug)]
pub(super) struct Alternating {
    what: &'static str,
    buffers: [wgpu::Buffer; 2],
    current: usize,
}

impl Alternating {
    pub(super) fn new(context: &Context, what: &'static str, bytes: u64) -> Result<Self> {
        let buffers = [context.storage(what, bytes)?, context.storage(what, bytes)?];
        Ok(Self { what, buffers, current: 0 })
    }

    /// Writes a piece to the other buffer, which becomes the current one.
    pub(super) fn write<E: bytemuck::Pod>(&mut self, context: &Context, piece: &[E]) -> Result<()> {
        self.current = 1 - self.current;
        context.write(self.what, self.current(), piece)
    }

    /// The buffer with the last piece.
    pub(super) fn current(&self) -> &wgpu::Buffer {
        &self.buffers[self.current]
    }
}

impl Context {
    /// A storage buffer from the pool, or a new one.
    pub(super) fn lease(self: &Arc<Self>, what: &'static str, bytes: u64) -> Result<Lease> {
        self.alive()?;
        let fits = |buffer: &wgpu::Buffer| (bytes..=2 * bytes + (1 << 16)).contains(&buffer.size());
        let found = {
            let mut pool = lock(&self.pool);
            pool.iter().position(fits).map(|at| pool.remove(at))
        };
        let buffer = found.map_or_else(|| self.storage(what, bytes), Ok)?;
        Ok(Lease { buffer, home: Some(Arc::clone(self)) })
    }

    /// A buffer of at least this many bytes; wgpu has no empty ones.
    pub(super) fn create(&self, what: &'static str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        self.alive()?;
        let size = bytes.clamp(16, u64::MAX - 3).next_multiple_of(4);
        if size > self.limits.max_buffer_size {
            return Err(Error::TooLarge {
                what,
                needed: format!("a buffer of {size} bytes"),
                limit: format!(
                    "{} allows {} bytes in one; transform fewer points, modes or items at a time, or use the CPU",
                    self.name(),
                    self.limits.max_buffer_size
                ),
            });
        }
        let descriptor = wgpu::BufferDescriptor { label: Some(what), size, usage, mapped_at_creation: false };
        let created = self.caught(|| self.device.create_buffer(&descriptor));
        self.alive()?;
        created.map_err(|error| match error {
            wgpu::Error::OutOfMemory { .. } => Error::TooLarge {
                what,
                needed: format!("{size} bytes"),
                limit: format!(
                    "{} has not that much memory free; use smaller batches or a smaller problem",
                    self.name()
                ),
            },
            error => self.error(format!("{what}, {size} bytes: {error}")),
        })
    }

    /// A buffer that kernels can read and write and that can be copied in both directions.
    pub(super) fn storage(&self, what: &'static str, bytes: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        self.create(what, bytes, usage)
    }

    /// A buffer that holds these elements, all of them in one binding.
    pub(super) fn table<E: bytemuck::Pod>(&self, what: &'static str, elements: &[E]) -> Result<wgpu::Buffer> {
        let buffer = self.storage(what, size_of_val(elements) as u64)?;
        self.bindable(what, buffer.size())?;
        self.write(what, &buffer, elements)?;
        Ok(buffer)
    }

    /// A small buffer of parameters, which are the same for all lanes.
    pub(super) fn uniform(&self, numbers: &[u32]) -> Result<wgpu::Buffer> {
        let bytes = size_of_val(numbers) as u64;
        let buffer = self.create("parameters", bytes, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
        self.write("parameters", &buffer, numbers)?;
        Ok(buffer)
    }

    /// An error if one binding cannot hold this many bytes.
    pub(super) fn bindable(&self, what: &'static str, bytes: u64) -> Result<()> {
        let most = self.limits.max_storage_buffer_binding_size;
        if bytes > most {
            return Err(Error::TooLarge {
                what,
                needed: format!("{bytes} bytes in one binding"),
                limit: format!(
                    "{} binds {most} bytes at most; use f32, a smaller grid or fewer points at a time, or the CPU",
                    self.name()
                ),
            });
        }
        Ok(())
    }

    /// Copies elements to the beginning of a buffer.
    pub(super) fn write<E: bytemuck::Pod>(&self, what: &str, buffer: &wgpu::Buffer, elements: &[E]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(elements);
        self.transferred.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        for (index, piece) in bytes.chunks(PIECE as usize).enumerate() {
            self.checked(what, || self.queue.write_buffer(buffer, index as u64 * PIECE, piece))?;
            // A full piece's staging memory is released before the next one takes its own.
            if piece.len() as u64 == PIECE {
                self.run(what, |_| ())?;
            }
        }
        Ok(())
    }

    /// Copies elements from the beginning of a buffer.
    pub(super) fn download<E: bytemuck::Pod>(
        &self,
        what: &'static str,
        buffer: &wgpu::Buffer,
        elements: &mut [E],
    ) -> Result<()> {
        let whole = size_of_val(elements) as u64;
        if whole == 0 {
            return Ok(());
        }
        self.transferred.fetch_add(whole, Ordering::Relaxed);
        for (index, piece) in elements.chunks_mut(PIECE as usize / size_of::<E>()).enumerate() {
            let first = index as u64 * PIECE;
            let fetch = self.fetch(what, buffer, first..first + size_of_val(piece) as u64, |_| ())?;
            fetch.read(self, |bytes| bytemuck::cast_slice_mut(piece).copy_from_slice(bytes))?;
        }
        Ok(())
    }

    /// Records commands and then the copy of some bytes to the host, and submits both together.
    pub(super) fn fetch(
        &self,
        what: &'static str,
        buffer: &wgpu::Buffer,
        bytes: Range<u64>,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<Fetch> {
        let size = bytes.end - bytes.start;
        let kept = lock(&self.staging).take().filter(|staging| staging.size() >= size);
        let staging = match kept {
            Some(staging) => staging,
            None => self.create(what, size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?,
        };
        let submitted = self.submit(what, |encoder| {
            record(encoder);
            encoder.copy_buffer_to_buffer(buffer, bytes.start, &staging, 0, size);
        })?;
        let (sender, mapped) = mpsc::channel();
        self.checked(what, || {
            staging.map_async(wgpu::MapMode::Read, 0..size, move |mapped| {
                let _ = sender.send(mapped);
            });
        })?;
        Ok(Fetch { what, staging, size, submitted, mapped })
    }

    /// The part of a buffer that holds the numbers of some transforms, `count` each, and the index of their first one
    /// in it, which may not be 0: bindings begin at multiples of an alignment.
    pub(super) fn window<'a, T: Real>(
        &self,
        what: &'static str,
        buffer: &'a wgpu::Buffer,
        items: Range<usize>,
        count: usize,
    ) -> Result<(wgpu::BindingResource<'a>, u32)> {
        let one = complex_bytes::<T>();
        let (begin, end) = (items.start as u64 * count as u64 * one, items.end as u64 * count as u64 * one);
        if end > buffer.size() {
            return Err(Error::shape(
                what,
                format!("{} numbers", end / one),
                format!("{} on the device", buffer.size() / one),
            ));
        }
        let align = u64::from(self.limits.min_storage_buffer_offset_alignment).max(one);
        let offset = begin / align * align;
        self.bindable(what, end - offset)?;
        let size = wgpu::BufferSize::new((end - offset).max(one));
        let binding = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
        Ok((binding, ((begin - offset) / one) as u32))
    }
}
