package org.peftjava.peft.io;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.checkpoint.RepoCard;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * README.md of an adapter folder: what the Hugging Face hub shows. A README that is there keeps its
 * text and its own front matter and tags; ours is put into it.
 *
 * <p>Reference: PEFT {@code PeftModel.create_or_update_model_card}.
 *
 * @param baseModel name of the base model, empty if it has none; absent for a custom module
 * @param peftType the adapters' type, such as "LORA"
 * @param causalLm whether the model generates text
 * @param quantization how the base model's weights are quantized, if they are
 */
public record ModelCard(
    Optional<String> baseModel,
    String peftType,
    boolean causalLm,
    Optional<JsonNode> quantization) {
  private static final String ADAPTER_TAG = "base_model:adapter:";
  private static final Set<String> OWN_TAGS = Set.of("lora", "transformers");
  private static final String VERSION = "- PEFT " + TunerConfig.PEFT_VERSION;
  private static final String FRAMEWORKS = "### Framework versions";
  private static final String PROCEDURE = "## Training procedure";
  private static final String QUANTIZED =
      "The following `bitsandbytes` quantization config was used during training:";

  /** The card of an adapter on a model of transformers. */
  public static ModelCard of(PretrainedConfig base, String peftType, boolean causalLm) {
    return new ModelCard(
        Optional.of(base.nameOrPath().orElse("")),
        peftType,
        causalLm,
        base.json().node("quantization_config").filter(JsonNode::isObject));
  }

  /** The card of a saved adapter. */
  public static ModelCard of(TunerConfig config) {
    return new ModelCard(
        config.baseModelNameOrPath().or(() -> config.taskType().map(task -> "")),
        config.peftType(),
        config.taskType().equals(Optional.of(TaskType.CAUSAL_LM)),
        Optional.empty());
  }

  /** The card of an adapter on a module of the user's own. */
  public static ModelCard ofCustom(String peftType) {
    return new ModelCard(Optional.empty(), peftType, false, Optional.empty());
  }

  /**
   * The card for a folder: the one that it has, updated, or a new one. Writes nothing.
   *
   * @param tags further tags
   * @throws InvalidFileException if the one that it has cannot be read
   */
  public RepoCard updated(Path folder, List<String> tags) {
    RepoCard card = RepoCard.load(folder).orElseGet(() -> RepoCard.ofBody(newBody()));
    baseModel.ifPresent(name -> card.put("base_model", name));
    card.put("library_name", "peft");
    if (causalLm && !card.has("pipeline_tag")) {
      card.put("pipeline_tag", "text-generation");
    }
    List<String> all = tags(tags);
    if (!all.isEmpty()) {
      card.putTags(
          all,
          tag -> baseModel.isPresent() && (OWN_TAGS.contains(tag) || tag.startsWith(ADAPTER_TAG)),
          true);
    }
    List<String> body = card.bodyLines();
    quantization.ifPresent(config -> addQuantization(body, config));
    addVersion(body);
    card.bodyLines(body);
    return card;
  }

  /** Whether a card's text is ours alone: nobody has written into it. */
  public boolean isUntouched(RepoCard card) {
    List<String> ours = newBody().lines().toList();
    List<String> body = card.bodyLines();
    return body.size() >= ours.size()
        && body.subList(0, ours.size()).equals(ours)
        && body.subList(ours.size(), body.size()).stream().allMatch(ModelCard::isOurs);
  }

  private static boolean isOurs(String line) {
    return line.isEmpty()
        || Set.of(PROCEDURE, QUANTIZED, FRAMEWORKS).contains(line)
        || line.matches("- \\w+: .*|- PEFT \\S+");
  }

  private List<String> tags(List<String> further) {
    List<String> tags = new ArrayList<>(further);
    baseModel.ifPresent(
        name -> {
          tags.add(ADAPTER_TAG + name);
          tags.add("transformers");
        });
    if (peftType.equals("LORA")) {
      tags.add("lora");
    }
    return tags;
  }

  private String newBody() {
    String base =
        baseModel
            .filter(name -> !name.isEmpty())
            .map(name -> " for " + name.replaceAll("\\R|\\p{Cntrl}", " "))
            .orElse("");
    return """

    # %s adapter%s

    <!-- What the adapter is for, in one or two sentences. -->

    ## Training data

    <!-- What it was trained on, and how the texts were prepared. -->

    ## Evaluation

    <!-- What was measured, on which data, with which result. -->

    ## Limits

    <!-- What it should not be used for. -->

    """
        .formatted(peftType, base);
  }

  private static void addQuantization(List<String> body, JsonNode config) {
    if (body.contains(QUANTIZED)) {
      return;
    }
    List<String> lines = new ArrayList<>(List.of("", QUANTIZED));
    for (Map.Entry<String, JsonNode> entry : config.properties()) {
      lines.add("- " + entry.getKey() + ": " + python(entry.getValue()));
    }
    lines.add("");
    insert(body, PROCEDURE, lines, List.of());
  }

  private static void addVersion(List<String> body) {
    if (!body.contains(VERSION)) {
      insert(body, FRAMEWORKS, List.of(VERSION), List.of(""));
    }
  }

  /** Puts lines below a heading and its empty line; at the end with the heading if it is new. */
  private static void insert(
      List<String> body, String heading, List<String> lines, List<String> between) {
    int at = body.indexOf(heading);
    if (at >= 0) {
      body.addAll(Math.min(at + 2, body.size()), lines);
    } else {
      body.add(heading);
      body.addAll(between);
      body.addAll(lines);
    }
  }

  /** A value as Python prints it. */
  private static String python(JsonNode value) {
    if (value.isBoolean()) {
      return value.asBoolean() ? "True" : "False";
    }
    if (value.isNull()) {
      return "None";
    }
    if (value.isArray()) {
      List<String> items = new ArrayList<>();
      value.forEach(item -> items.add(item.isTextual() ? "'" + item.asText() + "'" : python(item)));
      return "[" + String.join(", ", items) + "]";
    }
    return value.asText();
  }
}
