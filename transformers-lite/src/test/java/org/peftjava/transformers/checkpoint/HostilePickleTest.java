package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.InvalidFileException;

/** Every file here is broken or malicious; each must end in one sentence and nothing else. */
class HostilePickleTest {
  private static final byte[] SIXTEEN = new byte[16];

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "os, system",
    "posix, system",
    "nt, system",
    "builtins, eval",
    "builtins, exec",
    "builtins, getattr",
    "__builtin__, __import__",
    "subprocess, Popen",
    "runpy, _run_code",
    "importlib, import_module",
    "operator, attrgetter",
    "torch, load",
    "torch.serialization, load",
    "torch.storage, _load_from_bytes",
    "torch._utils, _rebuild_sparse_tensor",
    "torch, ComplexFloatStorage",
    "numpy.core.multiarray, scalar",
    "collections, OrderedDict.fromkeys",
    "java.lang, Runtime",
    "'', ''"
  })
  void otherGlobalsAreNamed(String module, String name) throws IOException {
    String named = module == null ? "." : module + "." + name;
    PickleBytes pickle =
        new PickleBytes().global(module == null ? "" : module, name == null ? "" : name);
    assertRejected(pickle.text("x").op(0x85, 'R').write(file(), SIXTEEN), "\"" + named + "\"");
    PickleBytes stack = new PickleBytes().op(0x80, 4);
    stack.text(module == null ? "" : module).text(name == null ? "" : name).op(0x93);
    assertRejected(stack.op(')', 'R').write(file(), SIXTEEN), "\"" + named + "\"");
  }

  @ParameterizedTest
  @CsvSource({
    "0x69, INST", "0x6f, OBJ", "0x81, NEWOBJ", "0x92, NEWOBJ_EX", "0x82, EXT1", "0x83, EXT2",
    "0x84, EXT4", "0x50, PERSID", "0x49, INT", "0x53, STRING", "0x56, UNICODE", "0x67, GET",
    "0x70, PUT", "0x32, DUP", "0x30, POP", "0x8b, LONG4", "0x96, BYTEARRAY8", "0x97, NEXT_BUFFER",
    "0x8f, EMPTY_SET", "0x00, 0x00", "0xff, 0xff"
  })
  void otherOperationsAreNamed(String code, String name) throws IOException {
    Path file = new PickleBytes().op('}', Integer.decode(code)).write(file(), SIXTEEN);
    assertRejected(file, "the operation " + name + ",");
  }

  static Stream<Arguments> wrongPrograms() {
    long big = Long.MAX_VALUE;
    return Stream.of(
        program("ends after", new PickleBytes().op('X', 255, 255, 255, 255)),
        program("ends after", new PickleBytes().op(0x8d, 255, 255, 255, 255, 255, 255, 255, 127)),
        program("a length of 18446744073709551615", new PickleBytes().op(0x8d).op(ff(8))),
        program("ends after", new PickleBytes().op('}', 'J')),
        program("protocol 0", new PickleBytes().op(0x80, 0)),
        program("protocol 9", new PickleBytes().op(0x80, 9)),
        program("255 bytes; at most 8", new PickleBytes().op(0x8a, 255)),
        program("not UTF-8", new PickleBytes().op('X', 1, 0, 0, 0, 0xff)),
        program("more than 512 bytes", new PickleBytes().global("a".repeat(600), "b")),
        program("an operation without its values", new PickleBytes().op('R')),
        program("an operation without its values", new PickleBytes().op('}', '(', 's')),
        program("an operation without its mark", new PickleBytes().op('}', 'u')),
        program("a SETITEM without", new PickleBytes().op('}', '(').number(1).op('u')),
        program("a SETITEM without", new PickleBytes().number(1).number(1).number(1).op('s')),
        program("an APPEND to", new PickleBytes().number(1).number(1).op('a')),
        program("value 7, which was not stored", new PickleBytes().op('h', 7)),
        program("no function", new PickleBytes().number(1).op(')', 'R')),
        program("no function", new PickleBytes().global("torch", "Size").number(1).op('R')),
        program("no function", new PickleBytes().global("torch", "float32").op(')', 'R')),
        program("no function", new PickleBytes().global("torch", "FloatStorage").op(')', 'R')),
        program("torch.Size without", new PickleBytes().global("torch", "Size").op(')', 'R')),
        program("a BUILD of", new PickleBytes().op(']', '}', 'b')),
        program("a BUILD of", new PickleBytes().global("torch", "Size").op('}', 'b')),
        program("neither text nor", new PickleBytes().op('}', ']').number(1).op('s')),
        program("neither text nor", new PickleBytes().op('}', ')').number(1).op('s')),
        program("no storage", new PickleBytes().number(1).op('Q')),
        program("no storage", new PickleBytes().text("module").op(0x85, 'Q')),
        program("a storage of -1", new PickleBytes().storage(-1)),
        program("a storage of 9223", new PickleBytes().storage(big)),
        program("tensor without storage", rebuild(new PickleBytes().op(')'))),
        program("a parameter without", parameter(new PickleBytes())),
        program("elements 0 to 4,", tensor(4, 0, 5, 1)),
        program("elements 1 to 4,", tensor(4, 1, 4, 1)),
        program("elements 0 to 6,", tensor(4, 0, 4, 2)),
        program("negative", tensor(4, 0, -1, 1)),
        program("negative", tensor(4, 0, 2, -1)),
        program("elements -1 to", tensor(4, -1, 2, 1)),
        program("no memory", tensor(4, 0, big, 1)),
        program("no memory", tensor(4, 2, 2, big)),
        program("each used several times", tensor(4, 0, 1L << 40, 0)),
        program(
            "3 sizes and 1 strides",
            new PickleBytes().tensor(4, 0, new long[] {1, 1, 1}, new long[] {1})),
        program(
            "at most 64 whole numbers", new PickleBytes().tensor(4, 0, new long[65], new long[65])),
        program("holds a list", new PickleBytes().op(']')),
        program("holds None", new PickleBytes().op('N')),
        program("dictionary without a tensor", new PickleBytes().op('}')));
  }

  @ParameterizedTest
  @MethodSource("wrongPrograms")
  void wrongProgramsAreExplained(String problem, PickleBytes pickle) throws IOException {
    assertRejected(pickle.write(file(), SIXTEEN), problem);
  }

  @Test
  void tensorsThatClaimMoreThanTheirStorageHasAreRefused() throws IOException {
    PickleBytes claims = new PickleBytes().op('}').text("w");
    claims.tensor(1L << 50, 0, new long[] {1L << 50}, new long[] {1}).op('s');
    assertRejected(claims.write(file(), SIXTEEN), "which has 16");
    PickleBytes absent = new PickleBytes().op('}').text("w");
    absent.tensor(4, 0, new long[] {4}, new long[] {1}).op('s', '.');
    assertRejected(PickleBytes.zip(file(), Map.of("x/data.pkl", absent.bytes())), "is not there");
  }

  /** Lists in lists, lists that hold themselves, and references to references. */
  @Test
  void nestingCostsNoStackAndNoTime() throws IOException {
    PickleBytes deep = new PickleBytes();
    for (int i = 0; i < 200_000; i++) {
      deep.op(']');
    }
    for (int i = 1; i < 200_000; i++) {
      deep.op('a');
    }
    assertRejected(deep.write(file(), SIXTEEN), "holds a list");
    PickleBytes self = new PickleBytes().op('}', 'q', 0).text("me").op('h', 0, 's');
    assertRejected(self.write(file(), SIXTEEN), "without a tensor");
    PickleBytes doubling = new PickleBytes().op(']', 'q', 0);
    for (int i = 1; i < 200; i++) {
      doubling.op('h', i - 1, 'h', i - 1, 0x86, 'q', i);
    }
    assertRejected(doubling.write(file(), SIXTEEN), "holds a tuple");
  }

  @Test
  void programsWithoutEndAreCutOff() throws IOException {
    byte[] many = new byte[3_000_000];
    for (byte operation : new byte[] {']', ')', '(', 'N', (byte) 0x94}) {
      Arrays.fill(many, operation);
      many[0] = ']';
      Map<String, byte[]> entries = Map.of("x/data.pkl", many);
      assertRejected(PickleBytes.zip(file(), entries), operation == ']' ? "more than" : "");
    }
    byte[] long33 = new byte[33 << 20];
    assertRejected(PickleBytes.zip(file(), Map.of("x/data.pkl", long33)), "has a pickle of");
  }

  @Test
  void compressedEntriesAreRefused() throws IOException {
    try (OutputStream bytes = Files.newOutputStream(file());
        ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry("x/data.pkl"));
      zip.write(new byte[1 << 24]);
      zip.closeEntry();
    }
    assertRejected(file(), "is compressed (method 8)");
  }

  @Test
  void otherZipFilesAreExplained() throws IOException {
    byte[] pickle = new PickleBytes().op('}', '.').bytes();
    assertRejected(PickleBytes.zip(file(), Map.of("a.txt", SIXTEEN)), "0 entries <name>/data.pkl");
    assertRejected(
        PickleBytes.zip(file(), Map.of("a/data.pkl", pickle, "b/data.pkl", pickle)), "2 entries");
    assertRejected(
        PickleBytes.zip(file(), Map.of("a/data.pkl", pickle, "a/constants.pkl", pickle)),
        "TorchScript");
    Map<String, byte[]> big = new LinkedHashMap<>();
    big.put("a/data.pkl", pickle);
    big.put("a/byteorder", "big".getBytes(StandardCharsets.UTF_8));
    assertRejected(PickleBytes.zip(file(), big), "byte order \"big\"");
  }

  /** Names in the zip file are keys, so that one that points elsewhere reaches nothing. */
  @Test
  void namesAreNoPaths() throws IOException {
    PickleBytes pickle = new PickleBytes().op('}').text("w");
    pickle.global("torch._utils", "_rebuild_tensor_v2").op('(');
    pickle.op('(').text("storage").global("torch", "FloatStorage").text("../../secret").text("cpu");
    pickle.number(1).op('t', 'Q').number(0).number(1).op(0x85).number(1).op(0x85, 't', 'R', 's');
    Files.write(folder.resolve("secret"), SIXTEEN);
    assertRejected(pickle.write(file(), SIXTEEN), "\"../../secret\", which is not there");
  }

  @Test
  void damagedDirectoriesAreRefused() throws IOException {
    PickleBytes pickle = new PickleBytes().op('}').text("w");
    pickle.tensor(4, 0, new long[] {4}, new long[] {1}).op('s');
    byte[] good = Files.readAllBytes(pickle.write(file(), SIXTEEN));
    int end = good.length - 22;
    damage(good, b -> b.putInt(end + 16, Integer.MAX_VALUE), "is not in the file");
    damage(good, b -> b.putInt(end + 12, -2), "is not in the file");
    damage(good, b -> b.putShort(end + 10, (short) 9000), "claims 9000 entries");
    damage(good, b -> b.putInt(end, 0), "no directory");
    int central = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getInt(end + 16);
    damage(good, b -> b.putInt(central, 0), "entry 0 of its directory is damaged");
    damage(good, b -> b.putShort(central + 28, (short) 60_000), "longer than the directory");
    damage(good, b -> b.putInt(central + 24, 1 << 30), "impossible sizes");
    damage(good, b -> b.putLong(central + 20, (1L << 62) + (1L << 30)), "not where the directory");
    damage(good, b -> b.putInt(central + 42, 7), "not where the directory says");
    damage(good, b -> b.putInt(central + 42, -2), "impossible sizes or lies outside");
    damage(good, b -> b.putShort(central + 8, (short) 1), "encrypted");
    assertRejected(Files.write(file(), Arrays.copyOf(good, good.length - 30)), "no directory");
    assertRejected(Files.write(file(), new byte[0]), "is empty");
    assertRejected(Files.writeString(file(), "<html>404</html>"), "not written by torch.save");
  }

  private void damage(byte[] good, Consumer<ByteBuffer> change, String problem) throws IOException {
    byte[] bad = good.clone();
    change.accept(ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN));
    assertRejected(Files.write(file(), bad), problem);
  }

  private Path file() {
    return folder.resolve("pytorch_model.bin");
  }

  private static void assertRejected(Path file, String problem) {
    long before = TensorLedger.liveTensors();
    String message =
        assertTimeoutPreemptively(
                Duration.ofSeconds(20),
                () -> assertThrows(InvalidFileException.class, () -> openClosed(file)))
            .getMessage();
    assertTrue(message.contains(problem) && message.startsWith(file.toString()), message);
    assertTrue(message.length() < 1000, message);
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static void openClosed(Path file) {
    try (TensorScope scope = TensorScope.open("test")) {
      TorchFile.open(file).close();
    }
  }

  private static Arguments program(String problem, PickleBytes pickle) {
    return Arguments.of(problem, pickle);
  }

  private static PickleBytes tensor(long numel, long offset, long size, long stride) {
    return new PickleBytes().tensor(numel, offset, new long[] {size}, new long[] {stride});
  }

  private static PickleBytes rebuild(PickleBytes arguments) {
    byte[] tail = arguments.bytes();
    PickleBytes pickle = new PickleBytes().global("torch._utils", "_rebuild_tensor_v2");
    for (int i = 2; i < tail.length; i++) {
      pickle.op(tail[i] & 0xff);
    }
    return pickle.op('R');
  }

  private static PickleBytes parameter(PickleBytes pickle) {
    return pickle.global("torch._utils", "_rebuild_parameter").number(1).op(0x85, 'R');
  }

  private static int[] ff(int count) {
    int[] bytes = new int[count];
    Arrays.fill(bytes, 0xff);
    return bytes;
  }
}
