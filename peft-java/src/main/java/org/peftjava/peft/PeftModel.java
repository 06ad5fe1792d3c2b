package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.AdapterRows;
import org.peftjava.peft.tuner.AdapterScales;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.xlora.XLoraRouting;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.PushToHubMixin;

/**
 * A base model with adapters. Parameters have the names that Python gives them: {@code
 * base_model.model.<path>.lora_A.<adapter>.weight}.
 *
 * <p>The base model is borrowed and changed in place: its layers are wrapped and its parameters
 * frozen. {@link #close} gives it back as it was (unmerged, its own layers, trainable where it was)
 * and frees only the adapters, except where {@link AutoPeftModelForCausalLM} has made the model,
 * which then owns its base. Adapter state belongs to the model, not to a thread.
 *
 * <p>Reference: PEFT {@code peft_model.py::PeftModel}.
 */
public sealed class PeftModel extends AdapterHost implements AdapterReports, PushToHubMixin
    permits PeftModelOver, PeftModelForFeatureExtraction {
  /** The name of an adapter that is not given one. It is saved in the folder itself. */
  public static final String DEFAULT_ADAPTER = "default";

  PeftModel(BaseModel base, boolean ownsBase) {
    super(base, ownsBase);
  }

  /** Loads an adapter, from a folder or the hub, onto a model. */
  public static PeftModelForCausalLM fromPretrained(CausalLM model, String nameOrPath) {
    return fromPretrained(model, nameOrPath, options -> {});
  }

  /** Loads an adapter onto a model. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    return fromPretrained(model, LoadAdapterOptions.folder(nameOrPath, options), options);
  }

  /** Loads an adapter onto a model. Nothing changes if it throws. */
  public static PeftModelForCausalLM fromPretrained(
      CausalLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModelForCausalLM(model, false), folder, LoadAdapterOptions.of(options));
  }

  /** Loads an adapter onto a model with a head. Nothing changes if it throws. */
  public static PeftModelForTask fromPretrained(
      TaskModel model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModelForTask(model, false), folder, LoadAdapterOptions.of(options));
  }

  /** Loads an adapter onto a model that writes text from text. */
  public static PeftModelForSeq2SeqLM fromPretrained(Seq2SeqLM model, String nameOrPath) {
    return fromPretrained(
        model, LoadAdapterOptions.folder(nameOrPath, options -> {}), options -> {});
  }

  /** Loads an adapter onto a model that writes text from text. Nothing changes if it throws. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Seq2SeqLM model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModelForSeq2SeqLM(model, false), folder, LoadAdapterOptions.of(options));
  }

  /** Loads an adapter onto a model without head. Nothing changes if it throws. */
  public static PeftModelForFeatureExtraction fromPretrained(
      FeatureExtraction model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModelForFeatureExtraction(model, false), folder, LoadAdapterOptions.of(options));
  }

  /** Loads an adapter onto any module tree. */
  public static PeftModel fromPretrained(
      Module model, Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.load(
        new PeftModel(BaseModel.of(model), false), folder, LoadAdapterOptions.of(options));
  }

  // ---- adapters ----

  /** The adapters' configs by name, with targets as they turned out. */
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

  /** Lets exactly these adapters act, and trains them. Merged adapters are unmerged first. */
  public final void setAdapter(String... adapterNames) {
    tuned().activate(List.of(adapterNames));
    for (String name : adapterNames) {
      tuned().trainable(name, true);
    }
  }

  /**
   * Lets exactly these adapters act.
   *
   * @param inferenceMode whether they are frozen
   */
  public final void setAdapter(List<String> adapterNames, boolean inferenceMode) {
    Functional.setAdapter(this, adapterNames, inferenceMode);
  }

  /** Trains adapters while they act, or freezes them. */
  public final void setRequiresGrad(List<String> adapterNames, boolean requiresGrad) {
    Functional.setRequiresGrad(this, adapterNames, requiresGrad);
  }

  /** Trains an adapter while it acts, or freezes it. */
  public final void setRequiresGrad(String adapterName, boolean requiresGrad) {
    tuned().trainable(adapterName, requiresGrad);
  }

  /** Sets an adapter to so many times the strength that its config gives. */
  public final void setScale(String adapterName, double scale) {
    new AdapterScales(tuned()).set(List.of(adapterName), scale);
  }

  /** Multiplies the strength of the adapters that act. */
  public final void scaleLayer(double scale) {
    new AdapterScales(tuned()).multiply(activeAdapters(), scale);
  }

  /** Gives the adapters that act the strength of their configs again. */
  public final void unscaleLayer() {
    new AdapterScales(tuned()).set(activeAdapters(), 1);
  }

  /** Lets the base model alone work until the switch is closed. Unmerges what is merged. */
  public final AdapterSwitch disableAdapter() {
    AdapterSet set = tuned().adapters();
    boolean before = set.isEnabled();
    set.enable(false);
    if (!set.merged().isEmpty()) {
      tuned().unmerge();
    }
    PeftConstruction.warnAboutBiases(peftConfig());
    return () -> set.enable(before);
  }

  /** What {@link #disableAdapter} returns: closing it restores what was before. */
  public interface AdapterSwitch extends AutoCloseable {
    @Override
    void close();
  }

  /** The result of {@code work} with the base model alone. */
  public final <T> T withoutAdapter(Supplier<T> work) {
    try (AdapterSwitch disabled = disableAdapter()) {
      return work.get();
    }
  }

  /**
   * The result of {@code work}, within which each row of a batch has its own adapter: Python's
   * {@code adapter_names}. For language models and classifiers, {@code forward} and {@code
   * generate} take {@link PassOptions}; this is for modules of any kind.
   *
   * @param adapterNames one for each row, {@link AdapterRows#BASE} for the base model alone
   */
  public final <T> T withAdapterNames(List<String> adapterNames, Supplier<T> work) {
    return MixedRows.during(tuned(), adapterNames, work);
  }

  /**
   * Lets the adapters that are trained share out their rank anew: AdaLoRA's {@code
   * update_and_allocate}. In a training loop of your own, call it after the optimizer's step and
   * before {@code zeroGrad}; a {@code Trainer} does it. A second call for the same step does
   * nothing.
   *
   * @param globalStep the step, counted from 0
   * @throws UnsupportedOperationException if no adapter does such a thing
   */
  public final void updateAndAllocate(int globalStep) {
    if (tuned().trainings().isEmpty()) {
      throw new UnsupportedOperationException(
          "updateAndAllocate is for AdaLoRA; the adapters of this model are "
              + peftConfig().values().stream().map(TunerConfig::peftType).distinct().toList()
              + ".");
    }
    tuned().trainings().afterStep(globalStep);
  }

  /**
   * What the adapters that are trained add to a loss, a scalar in the graph, such as AdaLoRA's
   * penalty. Models of this library have it in their loss already.
   */
  public final Optional<Tensor> trainingPenalty() {
    return tuned().trainings().penalty();
  }

  /** The base model, with the adapters in its layers. */
  public Module getBaseModel() {
    return tuned().base().root();
  }

  /** Adds a saved adapter; it does not act before {@link #setAdapter}. */
  public final LoadReport loadAdapter(String nameOrPath, String adapterName) {
    return loadAdapter(
        PretrainedFolder.resolve(nameOrPath, PretrainedFolder.ADAPTER),
        options -> options.adapterName(adapterName));
  }

  /** Adds a saved adapter. Nothing changes if it throws. */
  public final LoadReport loadAdapter(Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    return AdapterFolders.loadInto(this, folder, LoadAdapterOptions.of(options));
  }

  /** Copies the weights that {@link #savePretrained} wrote into the adapters of these names. */
  public void loadWeights(Path folder) {
    AdapterFolders.loadWeights(this, folder);
  }

  /** Writes all adapters: "default" into the folder, others into folders of their names below. */
  public final void savePretrained(String folder) {
    savePretrained(Path.of(folder));
  }

  /** Writes all adapters. */
  public void savePretrained(Path folder) {
    savePretrained(folder, options -> {});
  }

  /** Writes adapters, and a README.md for the hub. */
  public final void savePretrained(Path folder, Consumer<SaveAdapterOptions.Builder> options) {
    SaveAdapterOptions.Builder builder = SaveAdapterOptions.builder();
    options.accept(builder);
    AdapterFolders.save(this, folder, builder.build(), List.of());
  }

  @Override
  public final void saveForHub(Path folder, PushOptions options) {
    AdapterFolders.save(this, folder, SaveAdapterOptions.builder().build(), options.tags());
  }

  @Override
  public final String hubName() {
    return "model";
  }
}
