package org.peftjava.peft.tuner.shadow;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.SideModel;
import org.peftjava.peft.tuner.SideModels;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * The small model of one ShadowPEFT adapter, what leads from its hidden states to the base's, and
 * its own head for texts.
 *
 * <p>Reference: PEFT {@code tuners/shadow/model.py::ShadowModel}. Letters: {@code b} rows, {@code
 * t} tokens, {@code e} size of the base's hidden states.
 */
public final class ShadowNetwork {
  private static final String DEFAULT = "default";
  private static final String BACKBONE = "shadow_backbone";
  private static final String PROJECTION = "shadow_projection";
  private static final String HEAD = "shadow_head";
  private static final String WEIGHT = "weight";

  private final SideModels models;
  private final Map<String, Parameter> head = new LinkedHashMap<>();
  private List<String> layers = List.of();
  private @Nullable SideModel side;
  private @Nullable Parameter projection;
  private volatile OptionalDouble lastLoss = OptionalDouble.empty();

  ShadowNetwork(SideModels models) {
    this.models = models;
  }

  /** A weight with its name in files, where every adapter is called "default". */
  static Weight weight(String group, String leaf, Parameter parameter, Role role) {
    return new Weight(group, leaf, parameter, role, group + "." + DEFAULT + "." + leaf);
  }

  /** Makes the model and says what belongs to it. */
  List<Weight> build(ShadowConfig config, List<String> adapted) {
    layers = List.copyOf(adapted);
    SideModel made =
        config.shadowModel().equals(ShadowConfig.MIRROR)
            ? models.mirror(sizes(config), config.shareEmbeddings())
            : models.load(config.shadowModel());
    side = made;
    List<Weight> result = new ArrayList<>();
    made.weights()
        .forEach(
            (name, parameter) ->
                result.add(
                    weight(
                        BACKBONE,
                        name,
                        parameter,
                        made.frozen().contains(name) ? Role.FROZEN : Role.TRAINED)));
    try {
      Parameter like = made.weights().values().iterator().next();
      Parameter map = made.projection().orElseGet(() -> newProjection(made.hiddenSize()));
      if (map != null) {
        result.add(weight(PROJECTION, WEIGHT, placed(map, like), Role.TRAINED));
        checkProjection(map, made.hiddenSize());
        projection = map;
      }
      if (config.taskType().equals(Optional.of(TaskType.SEQ_CLS))) {
        models.classifier().ifPresent(copied -> copied.forEach(this::copy));
        head.forEach(
            (name, value) -> result.add(weight(HEAD, name, placed(value, like), Role.TRAINED)));
      }
      return result;
    } catch (RuntimeException e) {
      result.forEach(weight -> weight.parameter().close());
      throw e;
    }
  }

  private static SideModels.Sizes sizes(ShadowConfig config) {
    return new SideModels.Sizes(
        config.positive(ShadowConfig.LAYERS).orElse(1),
        config.positive(ShadowConfig.HIDDEN),
        config.positive(ShadowConfig.HEADS),
        config.positive(ShadowConfig.INTERMEDIATE));
  }

  private @Nullable Parameter newProjection(int size) {
    if (size == models.hiddenSize()) {
      return null;
    }
    Parameter result =
        new Parameter(
            Shape.of(models.hiddenSize(), size), DType.FLOAT32, Init.kaimingUniform(size));
    result.initialize();
    return result;
  }

  private void copy(String name, Parameter value) {
    Parameter result = new Parameter(value.shape(), DType.FLOAT32, Init.zeros());
    result.initialize();
    result.copyFrom(value.tensor().detach().to(DType.FLOAT32));
    head.put(name, result);
  }

  private static Parameter placed(Parameter parameter, Parameter like) {
    parameter.to(like.dtype());
    parameter.to(like.tensor().device());
    return parameter;
  }

  private void checkProjection(Parameter map, int size) {
    if (!map.shape().equals(Shape.of(models.hiddenSize(), size))) {
      throw new IllegalArgumentException(
          "The shadow model's projection has shape "
              + map.shape()
              + ". Expected ["
              + models.hiddenSize()
              + ", "
              + size
              + "], the sizes of the base's and the shadow's hidden states.");
    }
  }

  /** Length of the base's hidden states. */
  int hiddenSize() {
    return models.hiddenSize();
  }

  /** The small model. */
  public SideModel side() {
    if (side == null) {
      throw new IllegalStateException("The shadow model is made with the adapter.");
    }
    return side;
  }

  boolean isFirst(String path) {
    return layers.get(0).equals(path);
  }

  boolean isLast(String path) {
    return layers.get(layers.size() - 1).equals(path);
  }

  /** The state that enters the base's layers (b, t, e), for the small model's hidden states. */
  public Tensor projected(Tensor hidden) {
    return projection == null ? hidden : MatrixOps.linear(hidden, projection.tensor(), null);
  }

  /** Its map to the base's hidden states (e, its size), if it needs one. */
  public Optional<Parameter> projection() {
    return Optional.ofNullable(projection);
  }

  /** The parameters of its own head for texts, by name; empty if it has none. */
  public Map<String, Parameter> head() {
    return Map.copyOf(head);
  }

  /** The small model's own loss in the last pass with labels; Python's {@code last_shadow_loss}. */
  public OptionalDouble lastShadowLoss() {
    return lastLoss;
  }

  /** Takes note of that loss, or of a pass without one. */
  public void lastShadowLoss(OptionalDouble loss) {
    lastLoss = loss;
  }
}
