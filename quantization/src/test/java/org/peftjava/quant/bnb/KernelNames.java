package org.peftjava.quant.bnb;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.peftjava.torch.cuda.DecodingKernels;
import org.peftjava.torch.cuda.KernelSource;
import org.peftjava.torch.cuda.TrainingKernels;

/** The names of all kernels. */
final class KernelNames {
  private KernelNames() {}

  /** What is compiled. */
  static List<KernelSource> sources() {
    return Stream.of(CudaKernels.sources(), TrainingKernels.sources(), DecodingKernels.sources())
        .flatMap(List::stream)
        .toList();
  }

  static Set<String> all() {
    Set<String> result =
        new TreeSet<>(Set.of("adamw", "int8Clear", "int8Product", "parts", "partsOfTwo", "settle"));
    Stream.of(
            "fourBitDequantize",
            "fourBitQuantize",
            "fourBitProduct1",
            "fourBitProduct2",
            "fourBitProduct4",
            "fourBitProduct8",
            "eightBitQuantize",
            "eightBitDequantize",
            "adamw8bit",
            "squares",
            "scale",
            "int8Prepare",
            "int8Few1",
            "int8Few2",
            "int8Few4",
            "int8Few8",
            "int8Scan",
            "int8Encode",
            "int8Finish",
            "int8Dequantize",
            "decodeAttention1",
            "decodeAttention4",
            "dropout",
            "lowRankDown",
            "lowRankUp",
            "rotate",
            "crossEntropy",
            "siluProduct",
            "siluProductGradient")
        .flatMap(name -> Arrays.stream(new String[] {"F32", "F16", "BF16"}).map(name::concat))
        .forEach(result::add);
    // tensor cores have no float32
    Stream.of("fourBitTiles1", "fourBitTiles2", "fourBitTiles4", "fourBitTiles8")
        .flatMap(name -> Stream.of(name + "F16", name + "BF16"))
        .forEach(result::add);
    return result;
  }
}
