package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.peft.tuner.shadow.ShadowNetwork;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.KvCache;

/**
 * The small model of a ShadowPEFT adapter alone: {@code head(projection(model(x)))}. With the head
 * of a language model it generates; with the shadow's own head it judges texts; without one its
 * output is the hidden states.
 *
 * <p>It shares the weights of the {@link PeftModel} that it was taken from, and can be used as long
 * as that is open; a copy has its own and is closed by its owner. Reference: PEFT {@code
 * tuners/shadow/layers.py::DetachedShadowModel}.
 */
public final class DetachedShadowModel implements CausalLanguageModel {
  private static final long MAX_SHARD_BYTES = 50L << 30;

  private final ShadowSide side;
  private final EmbeddingLayer table;
  private final @Nullable Parameter projection;
  private final ShadowHead head;
  private final ShadowTree tree = new ShadowTree();
  private final boolean owns;
  private GenerationConfig generationConfig;

  private DetachedShadowModel(
      ShadowSide side,
      EmbeddingLayer table,
      @Nullable Parameter projection,
      ShadowHead head,
      boolean owns) {
    this.side = side;
    this.table = table;
    this.projection = projection;
    this.head = head;
    this.owns = owns;
    generationConfig = GenerationConfig.fromModelConfig(side.model().config().json());
    side.weights().forEach((name, weight) -> tree.put("backbone." + name, weight));
    if (projection != null) {
      tree.put("shadow_hidden_projection.weight", projection);
    }
    if (head.words() instanceof Module module) {
      tree.put("head", module);
    }
    head.texts().forEach((name, weight) -> tree.put("head." + name, weight));
    tree.train(side.model().module().isTraining());
  }

  static DetachedShadowModel of(PeftModel model, UnloadShadowOptions options) {
    String name =
        options
            .adapterName()
            .orElseGet(() -> model.activeAdapters().stream().findFirst().orElse(""));
    TunerConfig found = model.peftConfig().get(name);
    if (!(found instanceof ShadowConfig config) || !(model instanceof OverBase over)) {
      throw new IllegalArgumentException(
          "There is no SHADOW adapter \""
              + name
              + "\". Adapters of this model: "
              + model.peftConfig().keySet()
              + ".");
    }
    return of(over.base(), config, options.copy());
  }

  private static DetachedShadowModel of(PretrainedModel base, ShadowConfig config, boolean copy) {
    ShadowNetwork network = config.network();
    ShadowSide side = (ShadowSide) network.side();
    Optional<Parameter> projection = network.projection();
    ShadowHead head = ShadowPasses.head(config, base);
    if (!copy) {
      return new DetachedShadowModel(
          side, base.getInputEmbeddings(), projection.orElse(null), head, false);
    }
    ShadowSide own = side.copied();
    return new DetachedShadowModel(
        own,
        own.model().getInputEmbeddings(),
        projection.map(ShadowTree::copy).orElse(null),
        head.copied(),
        true);
  }

  @Override
  public ModelOutput forward(ModelInput given) {
    ModelInput input = given.to(device());
    try (TensorScope scope = TensorScope.open("DetachedShadowModel.forward")) {
      Tensor hidden = side.hidden(input, table, input.past(), tree.isTraining());
      ModelOutput output =
          head.answer(
              projection == null ? hidden : MatrixOps.linear(hidden, projection.tensor(), null),
              input);
      Stream.of(output.loss(), output.logits(), output.lastHiddenState())
          .flatMap(Optional::stream)
          .forEach(scope::keep);
      output.hiddenStates().forEach(scope::keep);
      return output;
    }
  }

  /** Whether it can generate: whether it has the head of a language model. */
  public boolean canGenerate() {
    return head.words() != null;
  }

  @Override
  public DecoderModel decoderModel() {
    if (!canGenerate()) {
      throw new UnsupportedOperationException(
          "This shadow model has no head of a language model and cannot generate.");
    }
    return CausalLanguageModel.super.decoderModel();
  }

  @Override
  public boolean shiftsLabels() {
    return head.words() != null;
  }

  @Override
  public long labelCount() {
    return head.texts().isEmpty() ? config().vocabSize() : head.labels();
  }

  @Override
  public EmbeddingLayer getInputEmbeddings() {
    return table;
  }

  @Override
  public Optional<LinearLayer> getOutputEmbeddings() {
    return Optional.ofNullable(head.words());
  }

  @Override
  public KvCache newCache(long capacity) {
    return new KvCache(side.model().backbone().cachedLayers(), capacity);
  }

  @Override
  public GenerationConfig generationConfig() {
    return generationConfig;
  }

  /** Changes the defaults of {@link #generate}. */
  public void generationConfig(GenerationConfig settings) {
    generationConfig = settings;
  }

  @Override
  public PretrainedConfig config() {
    return side.model().config();
  }

  @Override
  public Architecture architecture() {
    return side.model().architecture();
  }

  /** Its weights by Python's names; token vectors of the base are not among them. */
  @Override
  public Module module() {
    return tree;
  }

  @Override
  public Device device() {
    return side.model().device();
  }

  @Override
  public DType dtype() {
    return side.model().dtype();
  }

  @Override
  public void gradientCheckpointing(boolean on) {
    side.model().gradientCheckpointing(on);
  }

  /** Writes config, settings and weights; refused where token vectors are the base's. */
  @Override
  public void savePretrained(Path folder) {
    if (side.readsBase()) {
      throw new IllegalStateException(
          "This shadow model reads the base's token vectors, which would be missing in the folder."
              + " Save a copy: unloadShadow(o -> o.copy(true)).");
    }
    try (TensorScope scope = TensorScope.open("save");
        FileBatch files = FileBatch.open(folder)) {
      Checkpoints.write(files, StateDict.of(tree), MAX_SHARD_BYTES);
      files.write("generation_config.json", generationConfig.json().toBytes());
      files.write(
          "config.json",
          config()
              .json()
              .with("architectures", List.of("DetachedShadowModel"))
              .with("dtype", dtype().pythonName())
              .toBytes());
      files.commit();
    }
  }

  @Override
  public void loadWeights(Path folder) {
    try (TensorScope scope = TensorScope.open("load");
        WeightSource source = Checkpoints.open(folder)) {
      tree.load(folder, source);
    }
  }

  @Override
  public void saveForHub(Path folder, PushOptions options) {
    TransformersCard.write(folder, options.tags());
    savePretrained(folder);
  }

  @Override
  public String hubName() {
    return "DetachedShadowModel";
  }

  /** Frees a copy's weights; shared ones stay. */
  @Override
  public void close() {
    if (owns) {
      tree.close();
    }
  }
}
