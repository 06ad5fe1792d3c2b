// One pool of threads for libtorch, its BLAS and these kernels.
//
// libtorch's own operators run on OpenMP threads, but the OpenBLAS that its presets bring has threads
// of its own, and they spin for a while after each product: on a machine with few cores they take
// them from whatever OpenMP does next. OpenBLAS lets its jobs be run by somebody else: here by
// OpenMP.
#pragma once

#include <cstddef>

#if defined(__linux__) && defined(_OPENMP)
#include <dlfcn.h>
#include <link.h>
#include <omp.h>

#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

namespace peftjava {

/// OpenBLAS's openblas_dojob_callback and openblas_threads_callback.
using BlasJob = void (*)(int thread, void* job, int argument);
using BlasPool = void (*)(int sync, BlasJob run, int jobs, size_t size, void* first, int argument);

/// Whose jobs OpenBLAS runs now. It gives the jobs of all callers the same buffers, so products of several
/// threads take turns.
inline std::recursive_mutex& blasTurn() {
  static std::recursive_mutex turn;
  return turn;
}

/// Lets no other thread's jobs run until endBlasTurn, for factorisations that use OpenBLAS's own threads too.
inline void takeBlasTurn() { blasTurn().lock(); }
inline void endBlasTurn() { blasTurn().unlock(); }

/// Runs jobs that wait for each other, so each needs a thread now: OpenMP's, or new ones where it
/// gives fewer (inside another parallel region, or under a thread limit).
inline void runBlasJobs(int, BlasJob run, int jobs, size_t size, void* first, int argument) {
  std::lock_guard<std::recursive_mutex> mine(blasTurn());
  char* job = static_cast<char*>(first);
  bool done = false;
  if (!omp_in_parallel()) {
#pragma omp parallel num_threads(jobs) shared(done)
    if (omp_get_num_threads() == jobs) {
      int i = omp_get_thread_num();
      run(i, job + size * i, argument);
      if (i == 0) done = true;
    }
  }
  if (done) return;
  std::vector<std::thread> threads;
  for (int i = 1; i < jobs; i++) threads.emplace_back(run, i, job + size * i, argument);
  run(0, job, argument);
  for (std::thread& thread : threads) thread.join();
}

/// Makes one loaded library run its jobs above, if it is an OpenBLAS that can. For dl_iterate_phdr.
inline int joinBlas(dl_phdr_info* info, size_t, void* data) {
  if (info->dlpi_name == nullptr || std::strstr(info->dlpi_name, "openblas") == nullptr) return 0;
  void* library = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return 0;
  auto* threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  auto* pool =
      reinterpret_cast<void (*)(BlasPool)>(dlsym(library, "openblas_set_threads_callback_function"));
  if (threads != nullptr && pool != nullptr) {
    pool(&runBlasJobs);
    threads(*static_cast<int*>(data));
  }
  dlclose(library);
  return 0;
}

/// Gives every loaded OpenBLAS this many threads out of OpenMP's.
inline void shareThreads(int threads) { dl_iterate_phdr(&joinBlas, &threads); }

}  // namespace peftjava

#else
namespace peftjava {

/// Nothing to share: libtorch's BLAS here is the system's, or not threaded by OpenBLAS.
inline void shareThreads(int) {}
inline void takeBlasTurn() {}
inline void endBlasTurn() {}

}  // namespace peftjava
#endif
