package org.peftjava.transformers.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import org.peftjava.transformers.checkpoint.AtomicFiles;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * Metrics of a run as a table and as files.
 *
 * <p>Reference: {@code trainer_pt_utils.py::metrics_format}, {@code log_metrics} and {@code
 * save_metrics}.
 */
final class MetricsReport {
  private static final long MAX_BYTES = 1L << 24;
  private static final String ALL = "all_results.json";

  private MetricsReport() {}

  /** Names in order, with values that people read. */
  static String table(String split, Map<String, Double> metrics) {
    Map<String, String> texts = new TreeMap<>();
    metrics.forEach((name, value) -> texts.put(name, text(name, value)));
    int names = widest(texts, entry -> entry.getKey().length());
    int values = widest(texts, entry -> entry.getValue().length());
    StringBuilder table = new StringBuilder("***** " + split + " metrics *****");
    texts.forEach(
        (name, text) ->
            table
                .append("\n  ")
                .append(name)
                .append(" ".repeat(names - name.length()))
                .append(" = ")
                .append(" ".repeat(values - text.length()))
                .append(text));
    return table.toString();
  }

  private static int widest(
      Map<String, String> texts, ToIntFunction<Map.Entry<String, String>> width) {
    return texts.entrySet().stream().mapToInt(width).max().orElse(0);
  }

  private static String text(String name, double value) {
    if (!Double.isFinite(value)) {
      return LogText.number(value);
    }
    if (name.contains("_runtime")) {
      long seconds = (long) value;
      return String.format(
          Locale.ROOT,
          "%d:%02d:%02d.%02d",
          seconds / 3600,
          seconds / 60 % 60,
          seconds % 60,
          (long) (Math.abs(value - seconds) * 100));
    }
    BigDecimal rounded = new BigDecimal(value).setScale(4, RoundingMode.HALF_EVEN);
    return PythonJson.number(rounded.doubleValue());
  }

  /** Writes {@code <split>_results.json}, and adds the metrics to those of other splits. */
  static void save(Path folder, String split, Map<String, Double> metrics) {
    ObjectNode own = JsonNodeFactory.instance.objectNode();
    metrics.forEach(own::put);
    write(folder.resolve(split + "_results.json"), own);
    Path all = folder.resolve(ALL);
    ObjectNode together = Files.exists(all) ? read(all) : JsonNodeFactory.instance.objectNode();
    metrics.forEach(together::put);
    write(all, together);
  }

  private static ObjectNode read(Path file) {
    if (PythonJson.read(file, MAX_BYTES) instanceof ObjectNode object) {
      return object;
    }
    throw new InvalidFileException(file, "is not a JSON object.");
  }

  private static void write(Path file, ObjectNode metrics) {
    AtomicFiles.write(file, PythonJson.write(metrics, true).getBytes(StandardCharsets.UTF_8));
  }
}
