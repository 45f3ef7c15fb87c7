//! How much memory something takes: each target's process has an allocator that counts.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that are allocated now.
#[must_use]
pub fn now() -> usize {
    ALLOCATOR.current_usage()
}

/// What something returns, and how many bytes more than at its start were allocated at most while it ran.
pub fn most<T>(run: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = now();
    let result = run();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}
