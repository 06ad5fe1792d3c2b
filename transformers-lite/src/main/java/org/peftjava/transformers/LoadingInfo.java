package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.nn.StateDict.ShapeConflict;

/**
 * What a checkpoint and a model do not have in common; Python's {@code output_loading_info=True}.
 *
 * @param missingKeys the model's weights that the file lacks, which got fresh values
 * @param unexpectedKeys the file's names that the model has no place for
 * @param mismatchedKeys the model's weights that have another shape in the file, which got fresh
 *     values
 */
public record LoadingInfo(
    List<String> missingKeys,
    List<String> unexpectedKeys,
    Map<String, ShapeConflict> mismatchedKeys) {
  private static final String UNEXPECTED_NOTE =
      "UNEXPECTED:\tcan be ignored when loading from different task/architecture; not ok if you"
          + " expect identical arch.";
  private static final String MISSING_NOTE =
      "MISSING:\tthose params were newly initialized because missing from the checkpoint. Consider"
          + " training on your downstream task.";
  private static final String MISMATCH_NOTE =
      "MISMATCH:\tckpt weights were loaded, but they did not match the original empty weight"
          + " shapes.";

  /** Keeps copies. */
  public LoadingInfo {
    missingKeys = List.copyOf(missingKeys);
    unexpectedKeys = List.copyOf(unexpectedKeys);
    mismatchedKeys = Collections.unmodifiableMap(new LinkedHashMap<>(mismatchedKeys));
  }

  /**
   * A table with a line for each key, or for all layers that have it, and notes; empty if there is
   * nothing to say. Reference: transformers' {@code LoadStateDictInfo.create_loading_report}.
   */
  public Optional<String> report() {
    List<List<String>> rows = new ArrayList<>();
    List<String> notes = new ArrayList<>();
    if (!unexpectedKeys.isEmpty()) {
      notes.add(UNEXPECTED_NOTE);
      LayerNames.merge(unexpectedKeys).forEach(key -> rows.add(List.of(key, "UNEXPECTED", "", "")));
    }
    if (!missingKeys.isEmpty()) {
      notes.add(MISSING_NOTE);
      LayerNames.merge(missingKeys).forEach(key -> rows.add(List.of(key, "MISSING", "")));
    }
    if (!mismatchedKeys.isEmpty()) {
      notes.add(MISMATCH_NOTE);
      LayerNames.merge(mismatchedKeys)
          .forEach((key, shapes) -> rows.add(List.of(key, "MISMATCH", conflict(shapes))));
    }
    return rows.isEmpty()
        ? Optional.empty()
        : Optional.of(table(rows) + "\n\nNotes:\n- " + String.join("\n- ", notes));
  }

  private static String conflict(ShapeConflict shapes) {
    return "Reinit due to size mismatch - ckpt: torch.Size("
        + shapes.inFile()
        + ") vs model:torch.Size("
        + shapes.inModule()
        + ")";
  }

  /** As many columns as every row has, each as wide as its longest text. */
  private static String table(List<List<String>> rows) {
    int columns = rows.stream().mapToInt(List::size).min().orElse(0);
    List<List<String>> all = new ArrayList<>(rows);
    all.add(0, List.of("Key", "Status", "", ""));
    StringBuilder text = new StringBuilder();
    for (List<String> row : all) {
      List<String> cells = new ArrayList<>();
      List<String> lines = new ArrayList<>();
      for (int c = 0; c < columns; c++) {
        int column = c;
        int width = all.stream().mapToInt(each -> each.get(column).length()).max().orElse(0);
        cells.add(row.get(c) + " ".repeat(width - row.get(c).length()));
        lines.add("-".repeat(width));
      }
      text.append(text.isEmpty() ? "" : "\n").append(String.join(" | ", cells));
      if (text.indexOf("\n") < 0) {
        text.append('\n').append(String.join("-+-", lines));
      }
    }
    return text.toString();
  }
}
