package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Some rows of a table or of a linear layer's weight, trained in place of the base's.
 *
 * <p>An embedding gives the trained row for its token; a linear layer gives x times the trained row
 * as that token's output. Reference: PEFT {@code trainable_tokens/layer.py::TrainableTokensLayer},
 * which writes the rows into a copy of the whole weight at every use; values in
 * golden/tuner_tokens*. Shapes: k tokens, weight (n, d), rows (k, d).
 */
public final class TokensAdapter implements LayerAdapter {
  /** The name of the rows, in files too. */
  private static final String ROWS = "trainable_tokens_delta";

  private static final String NEST = "token_adapter.";

  private final Module base;
  private final long[] tokens;
  private final Parameter rows;
  private final Weight weight;
  private final @Nullable TokensAdapter owner;
  private final long[] sorted;
  private final long[] places;
  private boolean keepsTies;
  private float @Nullable [] replaced;

  private TokensAdapter(
      Module base, long[] tokens, Parameter rows, Weight weight, @Nullable TokensAdapter owner) {
    this.base = base;
    this.tokens = tokens.clone();
    this.rows = rows;
    this.weight = weight;
    this.owner = owner;
    int[] order =
        IntStream.range(0, tokens.length)
            .boxed()
            .sorted(Comparator.comparingLong(place -> tokens[place]))
            .mapToInt(Integer::intValue)
            .toArray();
    sorted = new long[tokens.length + 1];
    places = new long[tokens.length + 1];
    for (int i = 0; i < order.length; i++) {
      sorted[i] = tokens[order[i]];
      places[i] = order[i];
    }
    sorted[tokens.length] = -1; // equal to no token
  }

  /**
   * Rows with first values: those of the base, or random ones.
   *
   * @param tokens ids, each once
   * @param isBeside whether they belong to an adapter of another method, below whose names they
   *     stand in "token_adapter"
   */
  public static TokensAdapter of(LayerSite site, long[] tokens, boolean random, boolean isBeside) {
    long width =
        site.layer() instanceof EmbeddingLayer table
            ? table.embeddingDim()
            : site.linear().inFeatures();
    Parameter rows =
        site.parameter(
            values -> {
              if (random) {
                values.normalInPlace(0, 1);
              } else {
                Tensor all = baseWeight(site.layer(), DType.FLOAT32);
                Tensor index = Creation.ofLongs(tokens, tokens.length).to(all.device());
                values.copyInPlace(all.indexSelect(0, index));
              }
            },
            tokens.length,
            width);
    Weight weight = new Weight((isBeside ? NEST : "") + ROWS, "", rows);
    return new TokensAdapter(site.layer(), tokens, rows, weight, null);
  }

  /** The same rows over another layer whose weight is this one's. */
  public TokensAdapter tiedTo(Module other) {
    keepsTies = true;
    Role role = weight.group().startsWith(NEST) ? Role.TIED : Role.TRAINED;
    return new TokensAdapter(other, tokens, rows, new Weight(weight.group(), "", rows, role), this);
  }

  /** These tokens, if they are tokens of the layer, each once; else throws. */
  public static long[] checked(String path, Module layer, List<Long> tokens) {
    long count =
        layer instanceof EmbeddingLayer table
            ? table.numEmbeddings()
            : ((LinearLayer) layer).outFeatures();
    Optional<Long> outside = tokens.stream().filter(id -> id < 0 || id >= count).findFirst();
    if (outside.isPresent()) {
      throw new IllegalArgumentException(
          "Token "
              + outside.get()
              + " is to be trained, but \""
              + path
              + "\" has "
              + count
              + " tokens. Expected ids from 0 to "
              + (count - 1)
              + ".");
    }
    if (tokens.isEmpty() || tokens.stream().distinct().count() < tokens.size()) {
      throw new IllegalArgumentException(
          "The tokens to train of \"" + path + "\" must be some, each once, got " + tokens + ".");
    }
    return tokens.stream().mapToLong(Long::longValue).toArray();
  }

  /** Whether the layer has rows that can be trained. */
  static boolean fits(Module layer) {
    return layer instanceof EmbeddingLayer || layer instanceof LinearLayer;
  }

  /** Takes the rows of another adapter. */
  void copyFrom(TokensAdapter other) {
    rows.copyFrom(other.rows.tensor().detach());
  }

  /** Whether an adapter is rows beside an adapter of another method. */
  static boolean isBeside(LayerAdapter adapter) {
    return adapter instanceof TokensAdapter own && own.weight.group().startsWith(NEST);
  }

  private static Tensor baseWeight(Module layer, DType type) {
    return layer instanceof EmbeddingLayer table
        ? table.table().tensor().detach().to(type)
        : ((LinearLayer) layer).denseWeight(type);
  }

  @Override
  public List<Weight> weights() {
    return List.of(weight);
  }

  @Override
  public void checkBeside(LayerAdapter other) {
    if (other instanceof TokensAdapter rest) {
      long[] both =
          Arrays.stream(tokens)
              .filter(id -> Arrays.binarySearch(rest.sorted, 0, rest.tokens.length, id) >= 0)
              .toArray();
      if (both.length > 0) {
        throw new IllegalArgumentException(
            "Two adapters that train the same tokens "
                + Arrays.toString(both)
                + " cannot act together: it would not be clear whose rows count. Activate or merge"
                + " one of them.");
      }
    }
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return base instanceof EmbeddingLayer table ? looked(table, x, y) : projected(x, y);
  }

  private Tensor looked(EmbeddingLayer table, Tensor ids, Tensor y) {
    Device device = ids.device();
    Tensor flat = ids.reshape(-1);
    Tensor place = Ops.bucketize(flat, index(device));
    Tensor known = Creation.ofLongs(sorted, sorted.length).to(device).indexSelect(0, place);
    Tensor isTrained = known.sub(flat).eq(0).unsqueeze(1);
    Tensor slots = Creation.ofLongs(places, places.length).to(device).indexSelect(0, place);
    Tensor found = Ops.embeddingUnchecked(rows.tensor(), slots).to(y.dtype());
    OptionalLong padding = table.paddingIdx();
    found = Embedding.withoutGradientOf(padding, flat, found).mul(table.scaleIn(y.dtype()));
    Tensor before = y.reshape(-1, y.size(-1));
    return Ops.where(isTrained, found, before).reshape(y.shape().toArray());
  }

  /** The tokens in ascending order. */
  private Tensor index(Device device) {
    return Creation.ofLongs(Arrays.copyOf(sorted, tokens.length), tokens.length).to(device);
  }

  private Tensor projected(Tensor x, Tensor y) {
    Tensor index = Creation.ofLongs(tokens, tokens.length).to(y.device());
    Optional<Parameter> bias = ((LinearLayer) base).bias();
    Tensor own =
        MatrixOps.linear(
            x.to(y.dtype()),
            rows.tensor().to(y.dtype()),
            bias.map(b -> b.tensor().to(y.dtype()).indexSelect(0, index)).orElse(null));
    if (!GradMode.isEnabled()) {
      return y.indexCopyInPlace(-1, index, own).alias();
    }
    Tensor flat = y.reshape(-1, y.size(-1));
    Tensor places = index.unsqueeze(0).expand(flat.size(0), tokens.length);
    return Ops.scatter(flat, 1, places, own.reshape(-1, tokens.length))
        .reshape(y.shape().toArray());
  }

  /**
   * Whether all layers with this weight have these rows: merging them changes the one weight, once.
   */
  @Override
  public boolean keepsTies() {
    return keepsTies || owner != null;
  }

  /** Whether the owner has already changed the weight of this layer. */
  private boolean isDone() {
    Parameter own = base.ownParameters().get("weight");
    return owner != null && own != null && own == owner.base.ownParameters().get("weight");
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    if (isDone()) {
      return weight;
    }
    Tensor index = Creation.ofLongs(tokens, tokens.length).to(weight.device());
    replaced = weight.indexSelect(0, index).to(DType.FLOAT32).toFloats();
    return weight.indexCopyInPlace(0, index, rows.tensor().detach().to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    float[] values = replaced;
    if (values == null) {
      return weight;
    }
    replaced = null;
    Tensor index = Creation.ofLongs(tokens, tokens.length).to(weight.device());
    Tensor before = Creation.ofFloats(values, tokens.length, weight.size(1));
    return weight.indexCopyInPlace(0, index, before.to(weight.device()).to(weight.dtype()));
  }
}
