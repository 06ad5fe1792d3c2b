package org.peftjava.transformers.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.peftjava.torch.Tensor;

/**
 * Writes tensors by name as {@code torch.save} of a dict does: a zip archive with a pickle and one
 * entry for each tensor's values. Python reads it with {@code torch.load(weights_only=True)}, we
 * with {@link TorchFile}.
 */
public final class TorchFileWriter {
  private static final String ROOT = "archive/";

  private TorchFileWriter() {}

  /** Writes a file, whole or not at all; missing folders are made. */
  public static void write(Path file, Map<String, Tensor> tensors) {
    AtomicFiles.write(
        file,
        channel -> {
          ZipOutputStream zip = new ZipOutputStream(Channels.newOutputStream(channel));
          entry(zip, "data.pkl", pickle(tensors));
          entry(zip, "byteorder", "little".getBytes(StandardCharsets.US_ASCII));
          int index = 0;
          for (Tensor tensor : tensors.values()) {
            entry(zip, "data/" + index, tensor.contiguous().toBytes());
            index++;
          }
          entry(zip, "version", "3\n".getBytes(StandardCharsets.US_ASCII));
          zip.finish();
        });
  }

  private static void entry(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
    ZipEntry entry = new ZipEntry(ROOT + name);
    CRC32 sum = new CRC32();
    sum.update(bytes);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(bytes.length);
    entry.setCompressedSize(bytes.length);
    entry.setCrc(sum.getValue());
    zip.putNextEntry(entry);
    zip.write(bytes);
    zip.closeEntry();
  }

  /** A dict of tensors in pickle's protocol 2. */
  private static byte[] pickle(Map<String, Tensor> tensors) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x80, 2, '}', '('});
    int index = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      text(out, entry.getKey());
      tensor(out, entry.getValue(), index);
      index++;
    }
    out.writeBytes(new byte[] {'u', '.'});
    return out.toByteArray();
  }

  /** {@code _rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())}. */
  private static void tensor(OutputStream out, Tensor tensor, int index) throws IOException {
    global(out, "torch._utils", "_rebuild_tensor_v2");
    out.write('(');
    out.write('(');
    text(out, "storage");
    global(out, "torch", PickleGlobal.storageName(tensor.dtype()));
    text(out, Integer.toString(index));
    text(out, "cpu");
    number(out, tensor.numel());
    out.write('t');
    out.write('Q'); // the tuple is a persistent id
    number(out, 0);
    long[] sizes = tensor.shape().toArray();
    long[] strides = new long[sizes.length];
    long stride = 1;
    for (int i = sizes.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= Math.max(1, sizes[i]);
    }
    numbers(out, sizes);
    numbers(out, strides);
    out.write(0x89); // False
    global(out, "collections", "OrderedDict");
    out.write(')');
    out.write('R');
    out.write('t');
    out.write('R');
  }

  private static void global(OutputStream out, String module, String name) throws IOException {
    out.write(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  private static void text(OutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.write(little(4).putInt(bytes.length).array());
    out.write(bytes);
  }

  private static void numbers(OutputStream out, long[] values) throws IOException {
    out.write('(');
    for (long value : values) {
      number(out, value);
    }
    out.write('t');
  }

  /** LONG1 with eight bytes. */
  private static void number(OutputStream out, long value) throws IOException {
    out.write(0x8a);
    out.write(8);
    out.write(little(8).putLong(value).array());
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
