package org.peftjava.transformers.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.Goldens;

class ConfigJsonTest {
  private static final Path SOURCE = Path.of("some/config.json");

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "opt_lora/base/config.json",
        "opt_lora/base/generation_config.json",
        "opt350_lora/base/config.json",
        "opt_bfloat16/base/config.json",
        "tokenizer/fast/tokenizer_config.json",
        "safetensors/sharded/model.safetensors.index.json",
        "opt_rslora_patterns/adapter/adapter_config.json"
      })
  void writesTheBytesThatPythonWrote(String name) throws IOException {
    Path file = Goldens.folder(name);
    String text = Files.readString(file);
    // PEFT sorts keys too, but ends its file without a newline.
    assertEquals(text.stripTrailing() + "\n", ConfigJson.read(file).toJson());
  }

  @Test
  void readsTypedValues() {
    ConfigJson config =
        parse(
            "{'s':'x','i':7,'l':5000000000,'d':0.5,'b':true,'n':null,'o':{'k':1},"
                + "'ids':[2,3],'names':['p','q']}");
    assertEquals("x", config.getString("s"));
    assertEquals("y", config.getString("n", "y"));
    assertEquals(7, config.getInt("i"));
    assertEquals(9, config.getInt("absent", 9));
    assertEquals(5_000_000_000L, config.getLong("l"));
    assertEquals(OptionalLong.of(7), config.findLong("i"));
    assertEquals(OptionalLong.empty(), config.findLong("n"));
    assertEquals(0.5, config.getDouble("d"));
    assertEquals(7.0, config.getDouble("i"));
    assertTrue(config.getBoolean("b"));
    assertFalse(config.has("n"));
    assertEquals(1, config.findObject("o").orElseThrow().getInt("k"));
    assertEquals(List.of(2L, 3L), config.getLongs("ids"));
    assertEquals(List.of(7L), config.getLongs("i"));
    assertEquals(List.of("p", "q"), config.getStrings("names"));
    assertEquals(List.of(), config.getStrings("n"));
    assertEquals(List.of("s", "i", "l", "d", "b", "n", "o", "ids", "names"), config.keys());
  }

  @Test
  void errorsNameFileKeyValueAndExpectation() {
    ConfigJson config = parse("{'s':'x','i':7,'l':5000000000,'d':1.5,'mixed':[1,'a']}");
    assertMessage(() -> config.getInt("absent"), "\"absent\" is missing; expected a whole number.");
    assertMessage(() -> config.getInt("s"), "\"s\" is \"x\"; expected a whole number.");
    assertMessage(
        () -> config.getInt("l"), "\"l\" is 5000000000; expected a whole number of 32 bits.");
    assertMessage(() -> config.getInt("d"), "\"d\" is 1.5; expected a whole number.");
    assertMessage(() -> config.getString("i"), "\"i\" is 7; expected a string.");
    assertMessage(() -> config.getBoolean("i"), "\"i\" is 7; expected true or false.");
    assertMessage(() -> config.getDouble("s"), "\"s\" is \"x\"; expected a number.");
    assertMessage(() -> config.findObject("s"), "\"s\" is \"x\"; expected an object.");
    assertMessage(
        () -> config.getLongs("mixed"),
        "\"mixed\" is [1,\"a\"]; expected a whole number or a list of them.");
    String huge = "{'s':'" + "x".repeat(10_000) + "'}";
    String message =
        assertThrows(InvalidFileException.class, () -> parse(huge).getInt("s")).getMessage();
    assertTrue(message.length() < 300, message);
  }

  @Test
  void changesMakeCopies() {
    ConfigJson config = parse("{'b':1,'a':{'z':[],'y':{}}}");
    ConfigJson changed = config.with("c", List.of("\u00e9")).with("b", Map.of()).without("a");
    assertEquals(List.of("b", "a"), config.keys());
    assertEquals("{\n  \"b\": {},\n  \"c\": [\n    \"\\u00e9\"\n  ]\n}\n", changed.toJson());
    assertEquals(
        "{\n  \"a\": {\n    \"y\": {},\n    \"z\": []\n  },\n  \"b\": 1\n}\n", config.toJson());
    assertEquals(Optional.empty(), changed.node("a"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "7", "{'a':", "{'a':1}x", "{'a':01}", "nul"})
  void rejectsWhatIsNoObject(String text) throws IOException {
    Path file = Files.writeString(folder.resolve("c.json"), text.replace('\'', '"'));
    String message =
        assertThrows(InvalidFileException.class, () -> ConfigJson.read(file)).getMessage();
    assertTrue(message.startsWith(file + ": "), message);
  }

  @Test
  void rejectsHostileFiles() throws IOException {
    Path deep = Files.writeString(folder.resolve("deep.json"), "{\"a\":".repeat(100_000));
    assertThrows(InvalidFileException.class, () -> ConfigJson.read(deep));
    Path binary = Files.write(folder.resolve("bin.json"), new byte[] {'{', (byte) 0xff, '}'});
    assertThrows(InvalidFileException.class, () -> ConfigJson.read(binary));
    Path absent = folder.resolve("absent.json");
    String message =
        assertThrows(UncheckedIOException.class, () -> ConfigJson.read(absent)).getMessage();
    assertEquals("There is no file " + absent + ".", message);
  }

  /** Right: what Python's {@code repr} prints. */
  @ParameterizedTest
  @CsvSource({
    "1e-05, 1e-05",
    "0.0001, 0.0001",
    "0.02, 0.02",
    "1e16, 1e+16",
    "1e15, 1000000000000000.0",
    "123456789012345680, 1.2345678901234568e+17",
    "0.1, 0.1",
    "100, 100.0",
    "-2.5e-7, -2.5e-07",
    "2e-3, 0.002",
    "1e23, 1e+23",
    "1.7976931348623157e308, 1.7976931348623157e+308",
    "4.9e-324, 5e-324",
    "0, 0.0",
    "-0.0, -0.0",
    "NaN, NaN",
    "-Infinity, -Infinity"
  })
  void printsFloatsLikePython(double value, String expected) {
    assertEquals(expected, PythonJson.number(value));
  }

  @Test
  void keepsNumbersThatNoTypeHolds() {
    String text =
        "{\n  \"a\": 1000000000000000019884624838656,\n  \"b\": NaN,\n  \"c\": -Infinity\n}\n";
    assertEquals(text, ConfigJson.parse(text, SOURCE).toJson());
  }

  private static ConfigJson parse(String text) {
    return ConfigJson.parse(text.replace('\'', '"'), SOURCE);
  }

  private static void assertMessage(org.junit.jupiter.api.function.Executable code, String tail) {
    String message = assertThrows(InvalidFileException.class, code).getMessage();
    assertEquals(SOURCE + ": " + tail, message);
  }
}
