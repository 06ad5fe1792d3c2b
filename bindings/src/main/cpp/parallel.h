// Ranges over threads. On Linux this is OpenMP with the runtime that libtorch brings (libgomp.so.1):
// a second pool would fight the first one for the cores.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

#include "kernel_table.h"

#if defined(_OPENMP)
#include <omp.h>
#elif defined(__APPLE__)
#include <dispatch/dispatch.h>
#endif

namespace peftjava {

/// What a piece threw first. An exception must not leave a parallel region by itself: that ends the process.
class Failure {
 public:
  /// fn(args, begin, end), or why not.
  template <typename Args>
  void guard(Range<Args> fn, const Args& args, int64_t begin, int64_t end) noexcept {
    try {
      fn(args, begin, end);
    } catch (...) {
      if (!taken_.test_and_set()) first_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic_flag taken_ = ATOMIC_FLAG_INIT;
  std::exception_ptr first_;
};

/// Calls fn on the pieces of [0, count); fewer than two grains run on the calling thread, because
/// waking the others costs some microseconds.
template <typename Args>
void parallelRange(Range<Args> fn, const Args& args, int64_t count, int64_t grain, int threads) {
  if (count <= 0) return;
  if (threads <= 1 || count < 2 * grain) return fn(args, 0, count);
  int64_t pieces = threads < count ? threads : count;
#if defined(_OPENMP)
  Failure failure;
#pragma omp parallel num_threads(static_cast<int>(pieces))
  {
    int64_t piece = omp_get_thread_num(), all = omp_get_num_threads();
    failure.guard(fn, args, count * piece / all, count * (piece + 1) / all);
  }
  failure.rethrow();
#elif defined(__APPLE__)
  Failure failure;
  struct Job {
    Range<Args> fn;
    const Args* args;
    int64_t count, pieces;
    Failure* failure;
    static void run(void* job, size_t piece) {
      const Job& j = *static_cast<Job*>(job);
      int64_t p = static_cast<int64_t>(piece);
      j.failure->guard(j.fn, *j.args, j.count * p / j.pieces, j.count * (p + 1) / j.pieces);
    }
  } job = {fn, &args, count, pieces, &failure};
  dispatch_apply_f(static_cast<size_t>(pieces),
                   dispatch_get_global_queue(QOS_CLASS_USER_INTERACTIVE, 0), &job, &Job::run);
  failure.rethrow();
#else
  (void)pieces;
  fn(args, 0, count);
#endif
}

/// The same for long work on cores that are not equally fast, or not always there: each thread takes a unit after the other.
template <typename Args>
void sharedRange(Range<Args> fn, const Args& args, int64_t count, int64_t unit, int threads) {
  const int64_t units = (count + unit - 1) / unit;
  if (units <= threads) return parallelRange(fn, args, count, 1, threads);
#if defined(_OPENMP)
  if (threads > 1) {
    std::atomic<int64_t> next{0};
    Failure failure;
#pragma omp parallel num_threads(threads)
    for (int64_t at; (at = next.fetch_add(unit, std::memory_order_relaxed)) < count;)
      failure.guard(fn, args, at, at + unit < count ? at + unit : count);
    return failure.rethrow();
  }
#endif
  parallelRange(fn, args, count, 1, threads);
}

/// Elements a thread must have before another one is worth waking.
constexpr int64_t kGrainElements = 16384;

/// kGrainElements in rows of a width.
inline int64_t grainRows(int64_t width) {
  int64_t rows = kGrainElements / (width < 1 ? 1 : width);
  return rows < 1 ? 1 : rows;
}

/// Room for so many elements at the start of a cache line, in a buffer that is kept.
template <typename T>
inline T* alignedTo64(std::vector<char>& buffer, int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T) + 64;
  if (buffer.size() < bytes) buffer.resize(bytes);  // smaller and larger in turns would write zeros each time
  return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(buffer.data()) + 63) & ~uintptr_t{63});
}

}  // namespace peftjava
