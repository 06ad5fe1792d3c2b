package org.peftjava.torch.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * CUDA C++ that is compiled as one.
 *
 * @param name for messages, such as "four_bit.cu"
 * @param text the source, whose kernels are {@code extern "C"}
 * @param headers what it includes, by the names that it uses
 */
public record KernelSource(String name, String text, Map<String, String> headers) {
  /** Copies the headers, in the order of their names. */
  public KernelSource {
    headers = new TreeMap<>(headers);
  }

  /** What all kernels may use: element types, wide loads and stores, sums; launches over tables. */
  private static final List<String> SHARED = List.of("element.cuh", "table.cuh");

  /**
   * Reads a source and its headers from the resources of a class; {@code element.cuh} and {@code
   * table.cuh} are always among them.
   *
   * @param folder relative to the class, such as "cuda"
   */
  public static KernelSource ofResources(
      Class<?> owner, String folder, String name, List<String> headers) {
    Map<String, String> texts = new TreeMap<>();
    for (String header : SHARED) {
      texts.put(header, read(KernelSource.class, "sources/" + header));
    }
    for (String header : headers) {
      texts.put(header, read(owner, folder + "/" + header));
    }
    return new KernelSource(name, read(owner, folder + "/" + name), texts);
  }

  private static String read(Class<?> owner, String resource) {
    try (InputStream in = owner.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(
            "The resource " + resource + " of " + owner.getName() + " is missing.");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
