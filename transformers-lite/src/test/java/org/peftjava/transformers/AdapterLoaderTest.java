package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A class path without a library of adapters. */
class AdapterLoaderTest {
  private static final String ADVICE =
      ", but no library on the class path knows adapters. Add the module peft-java to the class"
          + " path.";

  private final ClassLoader before = Thread.currentThread().getContextClassLoader();

  @BeforeEach
  void hideLibraries() {
    Thread.currentThread().setContextClassLoader(ClassLoader.getPlatformClassLoader());
  }

  @AfterEach
  void restore() {
    Thread.currentThread().setContextClassLoader(before);
  }

  @Test
  void adapterFolder(@TempDir Path folder) throws IOException {
    Files.writeString(
        folder.resolve("adapter_config.json"), "{\"base_model_name_or_path\": \"org/name\"}");
    assertEquals(
        folder + " holds an adapter" + ADVICE,
        assertThrows(IllegalStateException.class, () -> AutoModelForCausalLM.fromPretrained(folder))
            .getMessage());
  }

  @Test
  void addedAdapter() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      assertEquals(
          "An adapter is to be added" + ADVICE,
          assertThrows(IllegalStateException.class, () -> model.addAdapter(() -> "LORA"))
              .getMessage());
    }
  }
}
