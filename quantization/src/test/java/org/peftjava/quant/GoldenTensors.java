package org.peftjava.quant;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/** The tensors of one safetensors file below {@code golden/bnb}. */
public final class GoldenTensors {
  private static final Pattern ENTRY =
      Pattern.compile(
          "\"([^\"]+)\":\\{\"dtype\":\"(\\w+)\",\"shape\":\\[([\\d,]*)],"
              + "\"data_offsets\":\\[(\\d+),(\\d+)]}");

  private final String file;
  private final byte[] data;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  private record Entry(DType dtype, long[] shape, int start, int end) {}

  private GoldenTensors(String file, byte[] bytes) {
    this.file = file;
    int header = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    data = Arrays.copyOfRange(bytes, 8 + header, bytes.length);
    Matcher matcher = ENTRY.matcher(new String(bytes, 8, header, StandardCharsets.UTF_8));
    while (matcher.find()) {
      long[] shape =
          matcher.group(3).isEmpty()
              ? new long[0]
              : Stream.of(matcher.group(3).split(",", -1)).mapToLong(Long::parseLong).toArray();
      entries.put(
          matcher.group(1),
          new Entry(
              DType.ofSafetensors(matcher.group(2)),
              shape,
              Integer.parseInt(matcher.group(4)),
              Integer.parseInt(matcher.group(5))));
    }
  }

  /** Reads a file, such as "q4". */
  public static GoldenTensors open(String name) {
    String file = "/golden/bnb/" + name + ".safetensors";
    try (InputStream in = GoldenTensors.class.getResourceAsStream(file)) {
      return new GoldenTensors(file, Objects.requireNonNull(in, file).readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All names. */
  public Set<String> names() {
    return entries.keySet();
  }

  /** One tensor, on the default device; owned by the current scope. */
  public Tensor get(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException(file + " has no tensor " + name);
    }
    byte[] bytes = Arrays.copyOfRange(data, entry.start, entry.end);
    return Creation.ofBytes(bytes, bytes.length)
        .viewAs(entry.dtype)
        .reshape(entry.shape)
        .to(Device.defaultDevice());
  }
}
