package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What {@code ensure_weight_tying} asks for: layers that share the weight of the token embeddings
 * have one adapter, or one full copy.
 *
 * <p>Reference: PEFT {@code BaseTuner._check_tied_modules, LoraModel._add_targets_to_tie,
 * _add_modules_to_save_to_tie}, whose changes of the config are the same here.
 */
final class LoraTying {
  private static final Logger LOG = LoggerFactory.getLogger(LoraTying.class);
  private static final String TARGETS = "target_modules";
  private static final String SAVED = "modules_to_save";

  private final LoraConfig config;
  private final String table;
  private final List<String> tied;

  private LoraTying(LoraConfig config, String table, List<String> tied) {
    this.config = config;
    this.table = table;
    this.tied = tied;
  }

  /** The config with the token embeddings in place of layers that are tied to them. */
  static LoraConfig prepared(LoraConfig config, BaseModel model) {
    String table = model.inputEmbeddings().orElse("");
    LoraTying tying = new LoraTying(config, table, model.tiedTo(table));
    if (config.ensureWeightTying()) {
      return tying.prepared();
    }
    if (!tying.tied.isEmpty() && (tying.isSaved() || tying.isTargeted())) {
      LOG.warn(
          "\"{}\" shares its weight with {}, but not its adapter. ensureWeightTying ties them.",
          table,
          tying.tied);
    }
    return config;
  }

  private LoraConfig prepared() {
    if (tied.isEmpty()) {
      LOG.warn("ensureWeightTying is true, but no layer shares the weight of the embeddings.");
      return config;
    }
    if (isSaved()) {
      return config.with(SAVED, withTable(config.modulesToSave()));
    }
    if (!isTargeted()) {
      if (!config.fields().isSet("trainable_token_indices")) {
        LOG.warn(
            "ensureWeightTying is true, but neither targetModules nor modulesToSave name {} or {}.",
            table,
            tied);
      }
      return config;
    }
    if (config.useDora()) {
      throw new IllegalArgumentException(
          "ensureWeightTying cannot tie DoRA adapters: their magnitudes belong to one layer each.");
    }
    TargetModules targets = config.targetModules();
    if (targets instanceof TargetModules.Regex regex) {
      String name = table.replaceAll("([^A-Za-z0-9_])", "\\\\$1");
      return config.with(TARGETS, "(?:" + regex.pattern() + "|^" + name + "$)");
    }
    return targets instanceof TargetModules.Names names
        ? config.with(TARGETS, withTable(names.names()))
        : config;
  }

  private boolean isSaved() {
    return isNamed(TargetModules.names(config.modulesToSave()), SAVED);
  }

  private boolean isTargeted() {
    return isNamed(config.targetModules(), TARGETS);
  }

  private boolean isNamed(TargetModules modules, String field) {
    return modules.selects(table, field)
        || tied.stream().anyMatch(path -> modules.selects(path, field));
  }

  /** The names with the table's path and without those of layers tied to it. */
  private List<String> withTable(List<String> names) {
    List<String> result = new ArrayList<>(names);
    if (!result.contains(table)) {
      result.add(table);
    }
    result.removeIf(
        name -> tied.stream().anyMatch(path -> path.equals(name) || path.endsWith("." + name)));
    return result;
  }

  /** Layers that get the table's adapter, if it has one: the paths of heads, and its. */
  static Map<String, String> ties(LoraConfig config, BaseModel model, List<String> paths) {
    Map<String, String> result = new LinkedHashMap<>();
    String table = model.inputEmbeddings().orElse("");
    sharing(config, model, paths)
        .filter(path -> !isTable(model, path))
        .forEach(path -> result.put(path, table));
    return result;
  }

  /**
   * The paths with other tables of the same weight, such as T5's of encoder and decoder: as in
   * Python, these get adapters of their own beside that of the first.
   */
  static List<String> withTables(LoraConfig config, BaseModel model, List<String> paths) {
    List<String> result = new ArrayList<>(paths);
    sharing(config, model, paths)
        .filter(path -> isTable(model, path) && !result.contains(path))
        .forEach(result::add);
    return result;
  }

  /** What shares the weight of the table, if the config ties it and the table has an adapter. */
  private static Stream<String> sharing(LoraConfig config, BaseModel model, List<String> paths) {
    String table = model.inputEmbeddings().orElse("");
    return config.ensureWeightTying() && paths.contains(table)
        ? model.tiedTo(table).stream()
        : Stream.empty();
  }

  private static boolean isTable(BaseModel model, String path) {
    return model.original(path) instanceof EmbeddingLayer;
  }
}
