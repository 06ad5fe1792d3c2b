package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.AdapterScales;
import org.peftjava.peft.tuner.lora.ArrowConfig;
import org.peftjava.peft.tuner.lora.EvaOptions;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConversion;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Those of {@link Peft} that are about LoRA: its strength, its making of other adapters, EVA,
 * Arrow.
 */
abstract sealed class LoraFunctions permits StateFunctions {
  LoraFunctions() {}

  /**
   * Multiplies the strength of all adapters of a model until the result is closed; with a
   * multiplier between 0 and 1 this is wise-ft, arXiv:2109.01903.
   */
  public static PeftModel.AdapterSwitch rescaleAdapterScale(PeftModel model, double multiplier) {
    return new AdapterScales(model.tuned()).rescale(multiplier)::close;
  }

  /**
   * LoRA that stands for an adapter of another method as closely as the rank allows.
   *
   * @return config and weights, owned by the current scope
   * @throws UnsupportedOperationException if the adapter does more than to add to weights
   */
  public static ConvertedLora convertToLora(PeftModel model, int rank, String adapterName) {
    return ConvertedLora.of(
        model.tuned(), adapterName, LoraConversion.ofRank(model.tuned(), adapterName, rank));
  }

  /**
   * The same with the smallest rank in each layer that keeps a share of the squared singular
   * values.
   *
   * @param rank the share, in (0, 1]
   */
  public static ConvertedLora convertToLora(PeftModel model, double rank, String adapterName) {
    return ConvertedLora.of(
        model.tuned(), adapterName, LoraConversion.ofShare(model.tuned(), adapterName, rank));
  }

  /** Saves what {@link Peft#convertToLora(PeftModel, int, String)} gives for adapter "default". */
  public static void saveAsLora(Path folder, PeftModel model, int rank) {
    try (TensorScope scope = TensorScope.open("save as lora")) {
      convertToLora(model, rank, PeftModel.DEFAULT_ADAPTER).save(folder);
    }
  }

  /**
   * Saves what {@link Peft#convertToLora(PeftModel, double, String)} gives for adapter "default".
   */
  public static void saveAsLora(Path folder, PeftModel model, double rank) {
    try (TensorScope scope = TensorScope.open("save as lora")) {
      convertToLora(model, rank, PeftModel.DEFAULT_ADAPTER).save(folder);
    }
  }

  /**
   * Gives a LoRA adapter over 4-bit weights values that make up for the error of quantizing them
   * (LoftQ), out of the model's files. The scaling is not divided out: choose alpha equal to r.
   *
   * @throws IllegalArgumentException if no layer with the adapter is a 4-bit one, or a weight is
   *     not in the files
   */
  public static void replaceLoraWeightsLoftq(PeftModel peftModel) {
    replaceLoraWeightsLoftq(peftModel, options -> {});
  }

  /** The same with options. */
  public static void replaceLoraWeightsLoftq(
      PeftModel peftModel, Consumer<LoftqReplacementOptions.Builder> options) {
    LoftqReplacementOptions.Builder builder = LoftqReplacementOptions.builder();
    options.accept(builder);
    builder.build().apply(peftModel);
  }

  /**
   * The fifth of a model's linear layers, and of its 3D parameters, whose weights are best
   * conditioned: targets that forget little (KappaTune, arXiv:2506.16289).
   */
  public static KappaTargets findKappaTargetModules(Module model) {
    return findKappaTargetModules(model, 0.2);
  }

  /**
   * The same.
   *
   * @param topP the part of them to take, in (0, 1]; at least one
   */
  public static KappaTargets findKappaTargetModules(Module model, double topP) {
    KappaTuneSelector selector = new KappaTuneSelector(model);
    List<String> parameters = selector.getBestTargetParameters(topP);
    return new KappaTargets(
        selector.getBestTargets(topP),
        parameters.isEmpty() ? Optional.empty() : Optional.of(parameters));
  }

  /**
   * Starts an adapter with the principal components of what its layers get, and shares its ranks
   * out among them (EVA, arXiv:2410.07170). The adapter must have been made with {@code
   * initLoraWeights(new LoraInit.Eva())}; layers that get no rank lose it.
   *
   * @param dataloader batches, which are gone through again until the components settle
   */
  public static void initializeLoraEvaWeights(PeftModel model, Iterable<TokenBatch> dataloader) {
    initializeLoraEvaWeights(model, dataloader, options -> {});
  }

  /** The same with options, for batches of any kind with {@code forwardFn}. */
  public static <B> void initializeLoraEvaWeights(
      PeftModel model, Iterable<B> dataloader, Consumer<EvaOptions.Builder<B>> options) {
    EvaData.initialize(model, dataloader, EvaData.options(model, options));
  }

  /** The same with what {@link Peft#getEvaStateDict} gave. */
  public static void initializeLoraEvaWeights(PeftModel model, Map<String, Tensor> evaStateDict) {
    EvaData.initialize(
        model, null, EvaData.options(model, options -> options.evaStateDict(evaStateDict)));
  }

  /**
   * What EVA would start an adapter with: A of each layer, by its name, with as many ranks as the
   * layer gets.
   *
   * @return owned by the current scope
   */
  public static Map<String, Tensor> getEvaStateDict(
      PeftModel model, Iterable<TokenBatch> dataloader) {
    return getEvaStateDict(model, dataloader, options -> {});
  }

  /** The same with options. */
  public static <B> Map<String, Tensor> getEvaStateDict(
      PeftModel model, Iterable<B> dataloader, Consumer<EvaOptions.Builder<B>> options) {
    return EvaData.stateDict(model, dataloader, EvaData.options(model, options));
  }

  /** The same for a model without adapters, by the layers' names in it. */
  public static Map<String, Tensor> getEvaStateDict(
      PretrainedModel model, Iterable<TokenBatch> dataloader, LoraConfig peftConfig) {
    return EvaData.stateDict(
        model.module(),
        dataloader,
        peftConfig,
        EvaData.<TokenBatch>options(model.module(), options -> {}));
  }

  /**
   * Loads LoRA adapters onto a model, as "task_0" and so on, and makes a router over them act:
   * Arrow gives each token the adapters that fit it best.
   *
   * @param taskSpecificAdapterPaths folders or names on the hub, "user/name" or "user/name/folder"
   */
  public static PeftModelForCausalLM createArrowModel(
      CausalLM baseModel, List<String> taskSpecificAdapterPaths, ArrowConfig arrowConfig) {
    return createArrowModel(
        baseModel, taskSpecificAdapterPaths, arrowConfig, List.of(), options -> {});
  }

  /**
   * The same with general adapters, "gks_0" and so on, whose mean is taken out of the others if the
   * config says useGks.
   *
   * @param adapterKwargs how adapters are loaded; their names are set
   */
  public static PeftModelForCausalLM createArrowModel(
      CausalLM baseModel,
      List<String> taskSpecificAdapterPaths,
      ArrowConfig arrowConfig,
      List<String> generalAdapterPaths,
      Consumer<LoadAdapterOptions.Builder> adapterKwargs) {
    return ArrowModels.create(
        new PeftModelForCausalLM(baseModel, false),
        taskSpecificAdapterPaths,
        arrowConfig,
        generalAdapterPaths,
        adapterKwargs);
  }

  /** The same for a model that writes text from text. */
  public static PeftModelForSeq2SeqLM createArrowModel(
      Seq2SeqLM baseModel,
      List<String> taskSpecificAdapterPaths,
      ArrowConfig arrowConfig,
      List<String> generalAdapterPaths,
      Consumer<LoadAdapterOptions.Builder> adapterKwargs) {
    return ArrowModels.create(
        new PeftModelForSeq2SeqLM(baseModel, false),
        taskSpecificAdapterPaths,
        arrowConfig,
        generalAdapterPaths,
        adapterKwargs);
  }

  /** The same for a model with a head. */
  public static PeftModelForTask createArrowModel(
      TaskModel baseModel,
      List<String> taskSpecificAdapterPaths,
      ArrowConfig arrowConfig,
      List<String> generalAdapterPaths,
      Consumer<LoadAdapterOptions.Builder> adapterKwargs) {
    return ArrowModels.create(
        new PeftModelForTask(baseModel, false),
        taskSpecificAdapterPaths,
        arrowConfig,
        generalAdapterPaths,
        adapterKwargs);
  }
}
