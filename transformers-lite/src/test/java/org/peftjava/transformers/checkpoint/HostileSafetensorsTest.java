package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.InvalidFileException;

/** Every file here is broken or malicious; each must end in one sentence and nothing else. */
class HostileSafetensorsTest {
  @TempDir Path folder;

  /** The data has 16 bytes. In the headers, {@code '} stands for {@code "}. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "| not a JSON object",
        "[] | not a JSON object",
        "{'a':{'dtype':'F32' | not valid JSON",
        "{'a':1} | tensor \"a\" is not a JSON object",
        "{}{} | text follows",
        "{} | end at byte 0, but it has 16",
        "{'__metadata__':[]} | __metadata__ is not a JSON object",
        "{'__metadata__':{'a':1}} | \"a\" that is not a string",
        "{'__metadata__':{},'__metadata__':{}} | __metadata__ twice",
        "{'a':{}} | needs dtype, shape and data_offsets",
        "{'a':{'dtype':'F8_E4M3','shape':[16],'data_offsets':[0,16]}} | 'F8_E4M3' is not supported",
        "{'a':{'dtype':7,'shape':[16],'data_offsets':[0,16]}} | dtype that is no text",
        "{'a':{'dtype':'F32','shape':4,'data_offsets':[0,16]}} | shape that is not a list",
        "{'a':{'dtype':'F32','shape':[-4],'data_offsets':[0,16]}} | contains -4",
        "{'a':{'dtype':'F32','shape':[4.0],'data_offsets':[0,16]}} | contains 4.0",
        "{'a':{'dtype':'F32','shape':['4'],'data_offsets':[0,16]}} | contains 4",
        "{'a':{'dtype':'F32','shape':[[4]],'data_offsets':[0,16]}} | contains [",
        "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,16]}} | contains"
            + " 9999",
        "{'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,16]}} | no memory",
        "{'a':{'dtype':'F32','shape':[0,4611686018427387904,4],'data_offsets':[0,0]}} | no memory",
        "{'a':{'dtype':'F32','shape':[5],'data_offsets':[0,16]}} | needs 20 bytes",
        "{'a':{'dtype':'F64','shape':[4],'data_offsets':[0,16]}} | needs 32 bytes",
        "{'a':{'dtype':'F32','shape':[],'data_offsets':[0,16]}} | needs 4 bytes",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[16,0]}} | begins at byte 16 but ends at"
            + " byte 0",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[16]}} | has 1 data_offsets",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[0,8,16]}} | more than 2 numbers",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[4,20]}} | before it ends at byte 0",
        "{'a':{'dtype':'F32','shape':[8],'data_offsets':[0,32]}} | only 16 bytes of data",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}} | end at byte 8, but it has 16",
        "{'a':{'dtype':'F32','shape':[4],'shape':[4],'data_offsets':[0,16]}} | two shapes",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[0,16],'x':1}} | unknown field \"x\"",
      })
  void rejectsHeader(String header, String problem) throws IOException {
    String text = header == null ? "" : header.replace('\'', '"');
    assertRejected(
        SafetensorsBytes.write(folder.resolve("bad.safetensors"), text, new byte[16]), problem);
  }

  @Test
  void rejectsTwoTensorsThatDoNotFit() throws IOException {
    String format =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"%s\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%d,16]}}";
    Path file = folder.resolve("two.safetensors");
    assertRejected(
        SafetensorsBytes.write(file, format.formatted("a", 2, 8), new byte[16]), "\"a\" twice");
    assertRejected(
        SafetensorsBytes.write(file, format.formatted("b", 3, 4), new byte[16]),
        "\"b\" begins at byte 4, inside the tensor before it, which ends at byte 8");
    assertRejected(
        SafetensorsBytes.write(file, format.formatted("b", 1, 12), new byte[16]),
        "\"b\" begins at byte 12, but the data before it ends at byte 8");
  }

  @ParameterizedTest
  @ValueSource(longs = {3, 17, 100_000_001, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE, -1, -9})
  void rejectsHeaderLength(long length) throws IOException {
    byte[] header = "{}              ".getBytes(StandardCharsets.UTF_8);
    Path file = SafetensorsBytes.write(folder.resolve("l"), length, header, new byte[0]);
    assertRejected(file, length == 3 ? "end at byte 0" : Long.toUnsignedString(length));
  }

  @Test
  void rejectsTextThatIsNotUtf8AndDeepNesting() throws IOException {
    byte[] latin = "{\"\u00e9\":1}".getBytes(StandardCharsets.ISO_8859_1);
    assertRejected(
        SafetensorsBytes.write(folder.resolve("latin"), latin.length, latin, new byte[0]),
        "not UTF-8");
    String deep = "{\"a\":{\"shape\":" + "[".repeat(500_000);
    assertRejected(SafetensorsBytes.write(folder.resolve("deep"), deep, new byte[0]), "contains [");
    String meta = "{\"__metadata__\":{\"a\":" + "{\"a\":".repeat(500_000);
    assertRejected(
        SafetensorsBytes.write(folder.resolve("meta"), meta, new byte[0]), "not a string");
    String rank = "{\"a\":{\"shape\":[" + "1,".repeat(500_000);
    assertRejected(
        SafetensorsBytes.write(folder.resolve("rank"), rank, new byte[0]), "more than 64");
  }

  /** A damaged download: every length of a real file, cut at the end. */
  @Test
  void rejectsEveryCutOfARealFile() throws IOException {
    byte[] whole =
        Files.readAllBytes(Goldens.folder("safetensors").resolve("mixed_dtypes.safetensors"));
    Path file = folder.resolve("cut.safetensors");
    for (int length = 0; length < whole.length; length++) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertRejected(file, "");
    }
  }

  /** Flipped bytes: rejected, or read without harm. */
  @Test
  void survivesDamageAnywhereInTheHeader() throws IOException {
    byte[] whole =
        Files.readAllBytes(Goldens.folder("safetensors").resolve("mixed_dtypes.safetensors"));
    Random random = new Random(7);
    Path file = folder.resolve("flipped.safetensors");
    long before = TensorLedger.liveTensors();
    int rejected = 0;
    for (int i = 0; i < 1500; i++) {
      byte[] damaged = whole.clone();
      for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
        damaged[random.nextInt(664)] = (byte) (random.nextInt(96) + 32);
      }
      Files.write(file, damaged);
      try (TensorScope scope = TensorScope.open("damaged");
          WeightSource source = Safetensors.open(file)) {
        source.names().forEach(name -> source.tensor(name).toBytes());
      } catch (InvalidFileException e) {
        assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
        rejected++;
      }
    }
    assertTrue(rejected > 1000, "only " + rejected + " rejected");
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static void assertRejected(Path file, String problem) {
    long before = TensorLedger.liveTensors();
    String message =
        assertThrows(InvalidFileException.class, () -> Safetensors.open(file)).getMessage();
    assertTrue(message.startsWith(file + ": ") && message.contains(problem), message);
    assertTrue(message.length() < 500, message);
    assertEquals(before, TensorLedger.liveTensors());
  }
}
