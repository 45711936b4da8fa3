//! Telling the C library's allocator what we need of it.

/// Allocations of this many bytes and more go back to the kernel when they are freed.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: libc::c_int = 512 << 10;
/// Heaps that threads share.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: libc::c_int = 2;

/// Makes freed chunks leave the process at once. By default glibc raises its threshold to the
/// size of a chunk as soon as one is freed, and keeps later ones in a heap for each thread: a
/// worker then grows to several times its chunk buffers.
#[allow(unsafe_code)]
pub fn give_back_early() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt takes two numbers and touches only the allocator's own settings, under
        // the allocator's own lock.
        let set = unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) == 1
                && libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) == 1
        };
        if !set {
            tracing::warn!(
                "memory.mallopt refused: the worker may use more memory than configured"
            );
        }
    }
}
