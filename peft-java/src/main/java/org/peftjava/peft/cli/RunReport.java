package org.peftjava.peft.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DeviceReport;
import org.peftjava.transformers.checkpoint.AtomicFiles;
import org.peftjava.transformers.training.TrainingArguments;

/** The numbers of a run as JSON: what was asked, what came out, on what machine. */
final class RunReport {
  private final Map<String, @Nullable Object> values = new LinkedHashMap<>();

  RunReport() {
    values.put("versions", Versions.all());
    DeviceReport device = DeviceReport.now();
    Map<String, Object> machine = new LinkedHashMap<>();
    machine.put("processors", Runtime.getRuntime().availableProcessors());
    machine.put("libtorch", device.libtorch());
    machine.put("kernels", device.kernels());
    values.put("machine", machine);
  }

  /** Adds a value that JSON can hold: numbers, texts, lists and maps. */
  RunReport with(String key, @Nullable Object value) {
    values.put(key, value);
    return this;
  }

  /** Adds the arguments with their Python names. */
  RunReport with(TrainingArguments args) {
    Map<String, @Nullable Object> named = new LinkedHashMap<>();
    try {
      for (RecordComponent component : TrainingArguments.class.getRecordComponents()) {
        named.put(snakeCase(component.getName()), plain(component.getAccessor().invoke(args)));
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("The arguments cannot be listed.", e);
    }
    return with("arguments", named);
  }

  /** Adds what the run measured. */
  RunReport with(RunResult result) {
    result.evalBefore().ifPresent(metrics -> with("eval_before", metrics));
    result.evalAfter().ifPresent(metrics -> with("eval_after", metrics));
    with("global_step", result.output().globalStep());
    with("cancelled", result.output().cancelled());
    with("train", result.output().metrics());
    return with("log_history", result.logHistory());
  }

  /** Writes the file, whole or not at all. */
  void write(Path file) {
    try {
      String json =
          new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(values);
      AtomicFiles.write(file, (json + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("The report cannot be written as JSON.", e);
    }
  }

  private static @Nullable Object plain(@Nullable Object value) {
    if (value instanceof Optional<?> optional) {
      return optional.map(Object::toString).orElse(null);
    }
    if (value instanceof OptionalLong optional) {
      return optional.isPresent() ? optional.getAsLong() : null;
    }
    return value == null || value instanceof Number || value instanceof Boolean
        ? value
        : value.toString();
  }

  private static String snakeCase(String name) {
    return name.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
  }
}
