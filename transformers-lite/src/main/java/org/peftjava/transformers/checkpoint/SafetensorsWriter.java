package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Writes the bytes that the reference writer writes (safetensors {@code tensor.rs}, {@code prepare}
 * and {@code serialize_to_file}): tensors sorted by type, widest first, then by the bytes of their
 * name; the header padded with spaces to a multiple of 8.
 *
 * <p>Data goes out in chunks: native memory to one Java array of 4 MiB to the file. A tensor that
 * is not contiguous is copied whole first.
 */
final class SafetensorsWriter {
  /** The reference's order of types, from the first in the file to the last. */
  private static final List<DType> ORDER =
      List.of(
          DType.INT64,
          DType.FLOAT64,
          DType.FLOAT32,
          DType.INT32,
          DType.BFLOAT16,
          DType.FLOAT16,
          DType.INT16,
          DType.INT8,
          DType.UINT8,
          DType.BOOL);

  private static final int CHUNK_BYTES = 4 << 20;

  private final List<Named> tensors = new ArrayList<>();
  private final Map<String, String> metadata;

  /** A tensor with the UTF-8 bytes of its name. */
  private record Named(String name, byte[] utf8, Tensor tensor) {}

  SafetensorsWriter(Map<String, Tensor> tensors, Map<String, String> metadata) {
    this.metadata = metadata;
    tensors.forEach(
        (name, tensor) -> {
          if (name.equals(SafetensorsHeader.METADATA)) {
            throw new IllegalArgumentException(
                "A tensor cannot be called \"" + name + "\", which safetensors reserves.");
          }
          this.tensors.add(new Named(name, utf8(name), tensor));
        });
    this.tensors.sort(
        Comparator.comparingInt((Named item) -> ORDER.indexOf(item.tensor().dtype()))
            .thenComparing(Named::utf8, Arrays::compareUnsigned));
  }

  /** Writes the whole file. */
  void writeTo(FileChannel channel) throws IOException {
    byte[] text = header().getBytes(StandardCharsets.UTF_8);
    int padded = (text.length + 7) / 8 * 8;
    ByteBuffer head = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    head.putLong(padded).put(text);
    while (head.hasRemaining()) {
      head.put((byte) ' ');
    }
    AtomicFiles.writeFully(channel, head.flip());
    for (Named item : tensors) {
      writeData(channel, item.tensor());
    }
  }

  private static void writeData(FileChannel channel, Tensor tensor) throws IOException {
    long chunk = CHUNK_BYTES / tensor.dtype().byteSize();
    try (TensorScope scope = TensorScope.open("write tensor")) {
      Tensor flat = tensor.detach().reshape(-1);
      long count = flat.numel();
      for (long start = 0; start < count; start += chunk) {
        try (TensorScope inner = TensorScope.open("write chunk")) {
          byte[] bytes = flat.narrow(0, start, Math.min(chunk, count - start)).toBytes();
          AtomicFiles.writeFully(channel, ByteBuffer.wrap(bytes));
        }
      }
    }
  }

  private String header() {
    StringBuilder out = new StringBuilder("{");
    if (!metadata.isEmpty()) {
      appendString(out, SafetensorsHeader.METADATA);
      String separator = ":{";
      for (Map.Entry<String, String> entry : metadata.entrySet()) {
        utf8(entry.getKey());
        utf8(entry.getValue());
        appendString(out.append(separator), entry.getKey());
        appendString(out.append(':'), entry.getValue());
        separator = ",";
      }
      out.append('}');
    }
    long begin = 0;
    for (Named item : tensors) {
      Tensor tensor = item.tensor();
      long end = begin + tensor.numel() * tensor.dtype().byteSize();
      appendString(out.append(out.length() > 1 ? "," : ""), item.name());
      out.append(":{\"dtype\":\"")
          .append(tensor.dtype().safetensorsName())
          .append("\",\"shape\":")
          .append(tensor.shape().toString().replace(" ", ""))
          .append(",\"data_offsets\":[")
          .append(begin)
          .append(',')
          .append(end)
          .append("]}");
      begin = end;
    }
    return out.append('}').toString();
  }

  /** Escapes as serde_json does. */
  private static void appendString(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\f' -> out.append("\\f");
        case '\b' -> out.append("\\b");
        default -> {
          if (c < ' ') {
            out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  private static byte[] utf8(String text) {
    try {
      ByteBuffer encoded = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      byte[] bytes = new byte[encoded.remaining()];
      encoded.get(bytes);
      return bytes;
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(
          "The text \"" + text + "\" has half a surrogate pair: it has no UTF-8 form.", e);
    }
  }
}
