package org.peftjava.transformers;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;

/**
 * A backbone, and the head of one task beside it.
 *
 * <p>One class per task serves all architectures; the names of the backbone ("model" in OPT) and of
 * the head's layers come from the {@link Architecture}, so that the names of all weights are
 * Python's.
 */
public abstract class TaskModel extends Module implements CheckpointModel {
  private final Task task;
  private final Architecture architecture;
  private final Supplier<Backbone> backbone;
  private final AdapterSlot adapters = new AdapterSlot(this);
  private PretrainedConfig config;
  private Ties ties;
  private List<String> tokenBiases = List.of();

  /** A model without memory for its weights, to which the subclass adds the head. */
  TaskModel(PretrainedConfig config, Task task, DType dtype) {
    this.task = task;
    this.config = config;
    architecture = TaskCheck.architecture(config, task);
    Backbone stack = architecture.backbone(config, task, dtype);
    if (backboneName().isEmpty()) {
      shareChildren(stack);
      backbone = () -> stack;
    } else {
      backbone = child(backboneName(), Backbone.class, stack)::get;
    }
    ties = new Ties(this, Map.of());
  }

  /** Builds the architecture's head for the task and ties what the config ties. */
  final Head addHead(DType dtype) {
    HeadParts parts = new HeadParts(config, backbone().outputSize(), dtype, this::child);
    Head head = architecture.head(task, parts);
    children()
        .forEach(
            (name, module) -> {
              if (module != backbone() && !backbone().children().containsKey(name)) {
                InitialWeights.declare(module, architecture.headStd(task, config));
              }
            });
    addTies(head.ties(tableName()));
    tokenBiases = head.tokenBiases();
    return head;
  }

  /** Says which weights are one if the config ties them. */
  final void addTies(Map<String, String> names) {
    String prefix = backboneName().isEmpty() ? "" : backboneName() + ".";
    Map<String, String> all = new HashMap<>(names);
    backbone().ties().forEach((name, source) -> all.put(prefix + name, prefix + source));
    ties = new Ties(this, all);
    if (config.tieWordEmbeddings()) {
      ties.tie();
    }
  }

  /** The full name of the token embedding's weight. */
  final String tableName() {
    return namedState().entrySet().stream()
        .filter(entry -> entry.getValue() == backbone().inputEmbeddings().table())
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  /** Replaces a setting of {@code config.json}. */
  final void configure(String key, Object value) {
    configure(config.json().with(key, value));
  }

  @Override
  public final void configure(ConfigJson json) {
    PretrainedConfig changed = architecture.config(json);
    config = config.nameOrPath().map(changed::withNameOrPath).orElse(changed);
  }

  @Override
  public final ModelOutput forward(ModelInput input) {
    TaskCheck.input(input, architecture);
    try (ModelAdapters.Pass pass = adapters.run()) {
      return traced(input.to(device())).on(inputDevice());
    }
  }

  private ModelOutput traced(ModelInput input) {
    if (!input.outputHiddenStates() && !input.outputAttentions()) {
      return forward(input, null);
    }
    try (LayerTrace trace = new LayerTrace(input.outputHiddenStates(), input.outputAttentions())) {
      ModelOutput output = forward(input, trace);
      return output.with(trace.takeHiddenStates(), trace.takeAttentions());
    }
  }

  /** Computes the output, without hidden states and attentions; owned by the current scope. */
  abstract ModelOutput forward(ModelInput input, @Nullable LayerTrace trace);

  @Override
  public final PretrainedConfig config() {
    return config;
  }

  @Override
  public final Architecture architecture() {
    return architecture;
  }

  @Override
  public final Task task() {
    return task;
  }

  /** The stack below the head. */
  @Override
  public final Backbone backbone() {
    return backbone.get();
  }

  @Override
  public final String backboneName() {
    return architecture.backboneName(task);
  }

  @Override
  public final AdapterSlot adapters() {
    return adapters;
  }

  @Override
  public void close() {
    adapters.close(super::close);
  }

  @Override
  public final Ties ties() {
    return ties;
  }

  @Override
  public final List<String> tokenBiases() {
    return tokenBiases;
  }
}
