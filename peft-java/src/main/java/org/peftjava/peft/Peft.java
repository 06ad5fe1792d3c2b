package org.peftjava.peft;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;

/** Adds adapters to models: the functions of Python's {@code peft} module. */
public final class Peft extends StateFunctions {
  private Peft() {}

  /**
   * Puts a new adapter "default" onto a language model. The model is borrowed and changed in place;
   * see {@link PeftModel}.
   */
  public static PeftModelForCausalLM getPeftModel(CausalLM model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with a name for the adapter. */
  public static PeftModelForCausalLM getPeftModel(
      CausalLM model, TunerConfig config, String adapterName) {
    return getPeftModel(model, config, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  public static PeftModelForCausalLM getPeftModel(
      CausalLM model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    PeftConstruction.checkTask(config, TaskType.CAUSAL_LM);
    return PeftConstruction.create(new PeftModelForCausalLM(model, false), config, of(options));
  }

  /** Puts a new adapter "default" onto a model with a head, such as a text classifier. */
  public static PeftModelForTask getPeftModel(TaskModel model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with a name for the adapter. */
  public static PeftModelForTask getPeftModel(
      TaskModel model, TunerConfig config, String adapterName) {
    return getPeftModel(model, config, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  public static PeftModelForTask getPeftModel(
      TaskModel model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    BaseModels.checkTask(config, model);
    return PeftConstruction.create(new PeftModelForTask(model, false), config, of(options));
  }

  /**
   * Puts a new adapter "default" onto a model that writes text from text. The model is borrowed and
   * changed in place; see {@link PeftModel}.
   */
  public static PeftModelForSeq2SeqLM getPeftModel(Seq2SeqLM model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with a name for the adapter. */
  public static PeftModelForSeq2SeqLM getPeftModel(
      Seq2SeqLM model, TunerConfig config, String adapterName) {
    return getPeftModel(model, config, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  public static PeftModelForSeq2SeqLM getPeftModel(
      Seq2SeqLM model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    PeftConstruction.checkTask(config, TaskType.SEQ_2_SEQ_LM);
    return PeftConstruction.create(new PeftModelForSeq2SeqLM(model, false), config, of(options));
  }

  /** Puts a new adapter "default" onto a model without head. */
  public static PeftModelForFeatureExtraction getPeftModel(
      FeatureExtraction model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with options. */
  public static PeftModelForFeatureExtraction getPeftModel(
      FeatureExtraction model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    PeftConstruction.checkTask(config, TaskType.FEATURE_EXTRACTION);
    return PeftConstruction.create(
        new PeftModelForFeatureExtraction(model, false), config, of(options));
  }

  /** Puts a new adapter onto any module tree. */
  public static PeftModel getPeftModel(Module model, TunerConfig config) {
    return getPeftModel(model, config, options -> {});
  }

  /** The same with a name for the adapter. */
  public static PeftModel getPeftModel(Module model, TunerConfig config, String adapterName) {
    return getPeftModel(model, config, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  public static PeftModel getPeftModel(
      Module model, TunerConfig config, Consumer<AdapterOptions.Builder> options) {
    return PeftConstruction.create(new PeftModel(BaseModel.of(model), false), config, of(options));
  }

  /**
   * Puts adapter "default" into the layers of a module, which is changed in place and stays what it
   * is: no PeftModel around it. Its own parameters are frozen; the adapter acts and is trained.
   *
   * <p>See {@link Functional} for what can be done with it, and {@link #getPeftModelStateDict} for
   * saving. Reference: PEFT {@code mapping.py::inject_adapter_in_model}.
   *
   * @return the module
   * @throws IllegalArgumentException if the method adapts no single layers, or its layers share
   *     weights
   */
  @CanIgnoreReturnValue
  public static <M extends Module> M injectAdapterInModel(TunerConfig peftConfig, M model) {
    return injectAdapterInModel(peftConfig, model, options -> {});
  }

  /** The same with a name for the adapter. */
  @CanIgnoreReturnValue
  public static <M extends Module> M injectAdapterInModel(
      TunerConfig peftConfig, M model, String adapterName) {
    return injectAdapterInModel(peftConfig, model, options -> options.adapterName(adapterName));
  }

  /** The same with options. */
  @CanIgnoreReturnValue
  public static <M extends Module> M injectAdapterInModel(
      TunerConfig peftConfig, M model, Consumer<InjectOptions.Builder> options) {
    InjectOptions.Builder builder = InjectOptions.builder();
    options.accept(builder);
    Injections.inject(peftConfig, model, builder.build());
    return model;
  }

  /**
   * The config that these fields of adapter_config.json make, of the class that {@code peft_type}
   * names: Python's {@code get_peft_config}.
   */
  public static TunerConfig getPeftConfig(Map<String, ?> configDict) {
    return AdapterConfigJson.of(configDict);
  }

  /**
   * Prepares a model, usually a quantized one, for the training of an adapter: freezes it, makes
   * what is left in 16 bits float32, and, for a quantized one, switches gradient checkpointing on.
   * Call it before {@code getPeftModel}.
   *
   * <p>Reference: {@code peft.prepare_model_for_kbit_training}. Python also makes the output of the
   * token embedding require gradients, which its checkpointing needs; ours does not.
   *
   * @return the same model
   */
  @CanIgnoreReturnValue
  public static <M extends PretrainedModel> M prepareModelForKbitTraining(M model) {
    return prepareModelForKbitTraining(model, options -> {});
  }

  /** The same with options. */
  @CanIgnoreReturnValue
  public static <M extends PretrainedModel> M prepareModelForKbitTraining(
      M model, Consumer<KbitTrainingOptions.Builder> options) {
    KbitTrainingOptions.Builder builder = KbitTrainingOptions.builder();
    options.accept(builder);
    builder.build().apply(model);
    return model;
  }

  /**
   * The state of each adapted layer of a PeftModel or of a module with adapters in its layers.
   *
   * @throws IllegalArgumentException if it has no adapters
   */
  public static List<LayerStatus> getLayerStatus(Module model) {
    return StatusReport.of(model).layers();
  }

  /** The state of the adapters of a PeftModel or of a module with adapters in its layers. */
  public static ModelStatus getModelStatus(Module model) {
    return StatusReport.of(model).model();
  }

  /**
   * Prepares a model for training in mixed precision: what is trained becomes float32, the rest
   * {@code dtype}. Quantized weights stay.
   */
  public static void castMixedPrecisionParams(Module model, DType dtype) {
    for (Parameter parameter : model.namedParameters().values()) {
      parameter.to(parameter.requiresGrad() ? DType.FLOAT32 : dtype);
    }
  }

  private static AdapterOptions of(Consumer<AdapterOptions.Builder> options) {
    AdapterOptions.Builder builder = AdapterOptions.builder();
    options.accept(builder);
    return builder.build();
  }
}
