// Row-wise int8: x = code absmax / 127.

/// The numbers of some rows, in float32 and rounded once. Index space: rows.
template <typename T>
void bytesDequantize(const BytesArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const int8_t* codes = a.codes + row * a.columns;
    T* y = static_cast<T*>(a.y) + row * a.columns;
    const float scale = a.absmax[row];
    int64_t i = 0;
    for (; i + kLanes <= a.columns; i += kLanes)
      store(y + i, loadBytes(codes + i) * splat(scale) * splat(kByteInverse));
    for (; i < a.columns; i++)
      put(y + i, static_cast<float>(codes[i]) * scale * kByteInverse);
  }
}

/// Which columns hold a value that is not below the threshold. Index space: columns.
template <typename T>
void bytesOutliers(const BytesQuantizeArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) a.outliers[i] = 0;
  for (int64_t row = 0; row < a.rows; row++) {
    const T* x = static_cast<const T*>(a.x) + row * a.columns;
    for (int64_t i = begin; i < end; i += kLanes) {
      float sizes[kLanes];
      store(sizes, absolute(roundToHalf(loadUpTo(x + i, end - i))));
      for (int64_t lane = 0; lane < kLanes && i + lane < end; lane++)
        a.outliers[i + lane] |= static_cast<uint8_t>(!(sizes[lane] < a.threshold));
    }
  }
}

/// Codes and absmax of rows, of values as float16 has them. Index space: rows.
template <typename T>
void bytesQuantize(const BytesQuantizeArgs& a, int64_t begin, int64_t end) {
  const Vec threshold = splat(a.threshold);
  for (int64_t row = begin; row < end; row++) {
    const T* x = static_cast<const T*>(a.x) + row * a.columns;
    Vec largest = splat(0.0f), wrong = splat(0.0f);
    for (int64_t i = 0; i < a.columns; i += kLanes) {
      Vec v = roundToHalf(loadUpTo(x + i, a.columns - i));
      Vec size = absolute(v);
      // size < threshold ? size : 0
      if (a.outliers != nullptr) size = size - zeroBelow(size, threshold, size);
      largest = larger(size, largest);
      wrong = fma(size, splat(0.0f), wrong);
    }
    float absmax = largestLane(largest);
    a.absmax[row] = absmax + sumLanes(wrong);
    float inverse = absmax == 0.0f ? 0.0f : 1.0f / absmax * 127.0f;
    int8_t* codes = a.codes + row * a.columns;
    for (int64_t i = 0; i < a.columns; i += kLanes) {
      uint8_t bytes[kLanes];
      Vec v = roundToHalf(loadUpTo(x + i, a.columns - i));
      storeBytes(bytes, toWords(v * splat(inverse)));
      for (int64_t lane = 0; lane < kLanes && i + lane < a.columns; lane++)
        codes[i + lane] = static_cast<int8_t>(
            a.outliers != nullptr && a.outliers[i + lane] != 0 ? 0 : bytes[lane]);
    }
  }
}
