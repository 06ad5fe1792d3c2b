// The process's environment as native code sees it. Kept apart from kernels.h so that variables can
// be set before the OpenMP runtime, which reads its own when it loads.
#pragma once

#include <cstdlib>

namespace peftjava {

/// 0: done.
inline int setEnvironmentVariable(const char* name, const char* value) {
#if defined(_WIN32)
  return _putenv_s(name, value);
#else
  return setenv(name, value, 1);
#endif
}

inline const char* environmentVariable(const char* name) { return std::getenv(name); }

}  // namespace peftjava
