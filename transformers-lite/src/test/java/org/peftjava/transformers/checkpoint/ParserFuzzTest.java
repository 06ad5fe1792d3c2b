package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * Valid files, changed at random: they are read or refused with the documented errors, in time and
 * without a leak. Seeds are fixed, so that a failure repeats; the loops end after a few seconds on
 * any machine.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ParserFuzzTest {
  private static final int ROUNDS = 3000;
  private static final long NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final int[] INTERESTING = {0, 1, 0x7f, 0x80, 0xff, '(', '}', '{', '"', '[', '.'};

  @TempDir Path folder;

  @Test
  void safetensors() throws IOException {
    byte[] valid = Files.readAllBytes(Goldens.folder("safetensors/mixed_dtypes.safetensors"));
    int header = (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
    fuzz(1, valid, 8 + header, "a.safetensors", Safetensors::open);
  }

  @ParameterizedTest
  @ValueSource(strings = {"zip.bin", "legacy.bin", "protocol4.bin"})
  void torchFiles(String name) throws IOException {
    byte[] valid = Files.readAllBytes(Goldens.folder("torch_files").resolve(name));
    fuzz(2, valid, valid.length, "a.bin", TorchFile::open);
  }

  /** With a right checksum, so that the machine itself sees the changes. */
  @Test
  void pickles() throws IOException {
    PickleBytes pickle = new PickleBytes().op('}').text("w");
    pickle.tensor(4, 0, new long[] {2, 2}, new long[] {1, 2}).op('s').text("v");
    pickle.tensor(4, 1, new long[] {3}, new long[] {1}).op('q', 1, 's').text("list").op(']');
    byte[] valid = pickle.number(7).op('a', 's', '.').bytes();
    Random random = new Random(3);
    long end = System.nanoTime() + NANOS;
    int read = 0;
    for (int i = 0; i < 10 * ROUNDS && System.nanoTime() < end; i++) {
      Map<String, byte[]> entries = new LinkedHashMap<>();
      entries.put("x/data.pkl", changed(valid, valid.length, random));
      entries.put("x/data/0", new byte[16]);
      Path file = PickleBytes.zip(folder.resolve("a.bin"), entries);
      read += isRead(file, TorchFile::open) ? 1 : 0;
    }
    assertTrue(read > 0, "no changed pickle was valid: the changes are too rough");
  }

  @Test
  void indexes() throws IOException {
    Path sharded = Goldens.folder("safetensors/sharded");
    for (String name : new String[] {"model-00001-of-00003.safetensors", "config.json"}) {
      Files.copy(sharded.resolve(name), folder.resolve(name));
    }
    Files.copy(
        sharded.resolve("model-00002-of-00003.safetensors"),
        folder.resolve("model-00002-of-00003.safetensors"));
    byte[] valid = Files.readAllBytes(sharded.resolve("model.safetensors.index.json"));
    fuzz(4, valid, valid.length, Checkpoints.INDEX, file -> Checkpoints.open(folder));
  }

  /** A config may also ask for a model that is refused by its rules. */
  @Test
  void configs() throws IOException {
    byte[] valid = Files.readAllBytes(Goldens.folder("opt_lora/base/config.json"));
    Random random = new Random(5);
    long end = System.nanoTime() + NANOS;
    for (int i = 0; i < ROUNDS && System.nanoTime() < end; i++) {
      Files.write(folder.resolve("config.json"), changed(valid, valid.length, random));
      try {
        AutoModelForCausalLM.config(folder);
      } catch (InvalidFileException | IllegalArgumentException e) {
        assertTrue(e.getMessage() != null && !e.getMessage().isBlank());
      }
    }
  }

  private void fuzz(
      int seed, byte[] valid, int range, String name, Function<Path, WeightSource> open)
      throws IOException {
    Random random = new Random(seed);
    long end = System.nanoTime() + NANOS;
    for (int i = 0; i < ROUNDS && System.nanoTime() < end; i++) {
      Path file = folder.resolve(name);
      Files.deleteIfExists(file); // an open mapping of the old one must not see the new bytes
      isRead(Files.write(file, changed(valid, range, random)), open);
    }
  }

  /** Opens a file and reads all its tensors. */
  private static boolean isRead(Path file, Function<Path, WeightSource> open) {
    long before = TensorLedger.liveTensors();
    boolean read = false;
    try (TensorScope scope = TensorScope.open("fuzz");
        WeightSource source = open.apply(file)) {
      for (String tensor : source.names()) {
        source.tensor(tensor).toBytes();
      }
      read = true;
    } catch (InvalidFileException | UncheckedIOException e) {
      assertTrue(e.getMessage() != null && !e.getMessage().isBlank());
    }
    assertEquals(before, TensorLedger.liveTensors());
    return read;
  }

  /** One to four changes: a bit, a byte, a number of 8 bytes, a cut, a repetition. */
  private static byte[] changed(byte[] valid, int range, Random random) {
    byte[] bytes = valid.clone();
    for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
      int at = random.nextInt(Math.min(range, bytes.length));
      switch (random.nextInt(6)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt(256);
        case 2 -> bytes[at] = (byte) INTERESTING[random.nextInt(INTERESTING.length)];
        case 3 -> {
          for (int i = at; i < Math.min(at + 8, bytes.length); i++) {
            bytes[i] = (byte) (random.nextBoolean() ? 0xff : random.nextInt(256));
          }
        }
        case 4 -> bytes = Arrays.copyOf(bytes, Math.max(at, 1));
        default -> {
          int length = Math.min(1 + random.nextInt(16), bytes.length - at);
          System.arraycopy(valid, random.nextInt(valid.length - length + 1), bytes, at, length);
        }
      }
    }
    return bytes;
  }
}
