package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerInjector.Injection;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.peft.tuner.xlora.XLoraRouting;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.PushToHubMixin;

/**
 * A base model with adapters. Parameters have the names that Python gives them: {@code
 * base_model.model.<path>.lora_A.<adapter>.weight}.
 *
 * <p>The base model is borrowed and changed in place: its layers are wrapped and its parameters
 * frozen. {@link #close} gives it back as it was (unmerged, its own layers, trainable where it was)
 * and frees only the adapters, except where {@link AutoPeftModelForCausalLM} has made the model,
 * which then owns its base.
 *
 * <p>Adapter state belongs to the model, not to a thread. Threads may compute with one model at
 * once, also with adapters of their own for their rows ({@link PassOptions}). Adding an adapter,
 * and deleting one that does not act, waits for their passes; what changes their results
 * (setAdapter, merging, scaling, hot-swapping) throws while another thread has a pass or generates.
 *
 * <p>Reference: PEFT {@code peft_model.py::PeftModel}.
 */
public sealed class PeftModel extends Module
    implements AdapterHost, AdapterControls, AdapterFiles, AdapterReports, PushToHubMixin
    permits PeftModelForCausalLM,
        PeftModelForSeq2SeqLM,
        PeftModelForTask,
        PeftModelForFeatureExtraction {
  /** The name of an adapter that is not given one. It is saved in the folder itself. */
  public static final String DEFAULT_ADAPTER = "default";

  private final TunedModel tuned;
  private final boolean ownsBase;
  private boolean givenBack;

  PeftModel(BaseModel base, boolean ownsBase) {
    this.ownsBase = ownsBase;
    tuned = PeftConstruction.tune(base);
  }

  /** Loads an adapter, from a folder or the hub, onto a language model. */
  public static PeftModelForCausalLM fromPretrained(CausalLM model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. Nothing changes if it throws. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForCausalLM(model, false), nameOrPath, options);
  }

  /** The same for a folder. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForCausalLM(model, false), folder, options);
  }

  /**
   * Loads an adapter, from a folder or the hub, onto a model with a head, such as a text
   * classifier.
   */
  public static PeftModelForTask fromPretrained(TaskModel model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. Nothing changes if it throws. */
  public static PeftModelForTask fromPretrained(
      TaskModel model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForTask(model, false), nameOrPath, options);
  }

  /** The same for a folder. */
  public static PeftModelForTask fromPretrained(
      TaskModel model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForTask(model, false), folder, options);
  }

  /** Loads an adapter, from a folder or the hub, onto a model that writes text from text. */
  public static PeftModelForSeq2SeqLM fromPretrained(Seq2SeqLM model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. Nothing changes if it throws. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Seq2SeqLM model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForSeq2SeqLM(model, false), nameOrPath, options);
  }

  /** The same for a folder. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Seq2SeqLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForSeq2SeqLM(model, false), folder, options);
  }

  /** Loads an adapter, from a folder or the hub, onto a model without head. */
  public static PeftModelForFeatureExtraction fromPretrained(
      FeatureExtraction model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. Nothing changes if it throws. */
  public static PeftModelForFeatureExtraction fromPretrained(
      FeatureExtraction model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModelForFeatureExtraction(model, false), nameOrPath, options);
  }

  /** The same for a folder. */
  public static PeftModelForFeatureExtraction fromPretrained(
      FeatureExtraction model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModelForFeatureExtraction(model, false), folder, options);
  }

  /** Loads an adapter, from a folder or the hub, onto any module tree. */
  public static PeftModel fromPretrained(Module model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** The same with options. Nothing changes if it throws. */
  public static PeftModel fromPretrained(
      Module model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModel(BaseModel.of(model), false), nameOrPath, options);
  }

  /** The same for a folder. */
  public static PeftModel fromPretrained(
      Module model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(new PeftModel(BaseModel.of(model), false), folder, options);
  }

  // ---- adapters ----

  /** The adapters' configs by name, with targets as they turned out. */
  @Override
  public final Map<String, TunerConfig> peftConfig() {
    return tuned().configs();
  }

  /** The config of the first adapter that acts. */
  public final Optional<TunerConfig> activePeftConfig() {
    return activeAdapters().stream().findFirst().map(name -> peftConfig().get(name));
  }

  /** The adapters that act, in order. */
  public final List<String> activeAdapters() {
    return tuned().adapters().active();
  }

  /** What mixes the adapters of X-LoRA, with its settings and the shares of the last pass. */
  public final XLoraRouting xlora() {
    return XLoraPasses.acting(tuned())
        .orElseThrow(() -> new IllegalStateException("No X-LoRA adapter acts."));
  }

  /** What {@link #disableAdapter} returns: closing it restores what was before. */
  public interface AdapterSwitch extends AutoCloseable {
    @Override
    void close();
  }

  /** Copies the weights that {@link #savePretrained} wrote into the adapters of these names. */
  public void loadWeights(Path folder) {
    AdapterFolders.loadWeights(this, folder);
  }

  /** Writes all adapters: "default" into the folder, others into folders of their names below. */
  public void savePretrained(Path folder) {
    savePretrained(folder, options -> {});
  }

  @Override
  public final void saveForHub(Path folder, PushOptions options) {
    AdapterFolders.save(this, folder, SaveAdapterOptions.builder().build(), options.tags());
  }

  @Override
  public final String hubName() {
    return "model";
  }

  // ---- the adapters' life ----

  final void add(TunerConfig config, AdapterOptions options) {
    if (options.mixed()) {
      tuned().allowMixing();
    }
    add(
        options.adapterName(),
        PeftConstruction.completed(config, baseModelName(), promptShape()),
        options.weights(),
        injection -> injection);
  }

  /**
   * Adds an adapter with a complete config and gives it its values. The first one decides how
   * parameters are named.
   */
  final <T> T add(
      String adapterName, TunerConfig config, AddOptions options, Function<Injection, T> fill) {
    TunerConfig resolved = XLoraFiles.resolved(config);
    if (resolved instanceof XLoraConfig && !hasTokenStates()) {
      throw new IllegalArgumentException(
          "X-LoRA needs one hidden state of each token: a language model, a model with a head or"
              + " one without.");
    }
    T result =
        tuned()
            .add(
                adapterName,
                resolved,
                options,
                injection -> {
                  XLoraFiles.load(tuned, adapterName, resolved);
                  return fill.apply(injection);
                });
    if (children().isEmpty()) {
      if (tuned.prompts().all().isEmpty()) {
        child("base_model", tuned);
      } else {
        child("base_model", tuned.base().root());
        child("prompt_encoder", tuned.prompts());
      }
      train(tuned.base().root().isTraining());
    }
    return result;
  }

  /** The base model, after {@code how} has taken the adapters off it. */
  final Module giveBack(Function<TunedModel, Module> how) {
    Module base = how.apply(tuned());
    givenBack = true;
    return base;
  }

  /** Gives the base model back as it was and frees the adapters. Closing twice does nothing. */
  @Override
  public void close() {
    if (!givenBack) {
      Module base = tuned.unload();
      tuned.restoreBaseTrainability();
      givenBack = true;
      if (ownsBase) {
        base.close();
      }
    }
  }

  final TunedModel tuned() {
    if (givenBack) {
      throw new IllegalStateException(
          "This PeftModel has given its base model back and has no adapters any more. Wrap the base"
              + " again with Peft.getPeftModel or PeftModel.fromPretrained.");
    }
    return tuned;
  }

  // ---- what kinds of models say of themselves ----

  /** Folder or id that the base model was loaded from. */
  final Optional<String> baseModelName() {
    return this instanceof OverBase model
        ? model.base().config().nameOrPath().filter(name -> !name.isEmpty())
        : Optional.empty();
  }

  /** What virtual tokens need to know of the model; empty if it cannot take any. */
  Optional<PromptShape> promptShape() {
    return Optional.empty();
  }

  /** Whether each token has one last hidden state, of which X-LoRA makes shares. */
  boolean hasTokenStates() {
    return false;
  }

  ModelCard modelCard(String peftType) {
    return ModelCard.ofCustom(peftType);
  }
}
