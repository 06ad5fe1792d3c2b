package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * An encoder-decoder of a few random matrices. Its logits depend on every token of the encoder's
 * input and of the decoder so far, and on their order, through a state as an encoder keeps it and a
 * cache as a decoder keeps it.
 */
final class FakeEncoderDecoder implements DecoderModel, AutoCloseable {
  private static final int SIZE = 6;

  private final Tensor table;
  private final Tensor positions;
  private final Tensor head;
  private final int vocabSize;
  int encoderRuns;
  int decodedTokens;

  FakeEncoderDecoder(int vocabSize) {
    this.vocabSize = vocabSize;
    try (TensorScope scope = TensorScope.open("fake")) {
      table = Creation.randn(DType.FLOAT32, vocabSize, SIZE).escape();
      positions = Creation.randn(DType.FLOAT32, 64, SIZE).escape();
      head = Creation.randn(DType.FLOAT32, SIZE, vocabSize).escape();
    }
  }

  @Override
  public DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache) {
    encoderRuns++;
    try (TensorScope scope = TensorScope.open("encoder");
        GradMode off = GradMode.noGrad()) {
      Tensor ids = Creation.ofLongs(prompts.inputIds());
      Tensor mask = Creation.ofLongs(prompts.attentionMask()).to(DType.FLOAT32).unsqueeze(-1);
      Tensor encoded = mixed(ids, 0).mul(mask).sum(1L);
      return new Session(encoded.escape(), useCache ? new KvCache(1, capacity) : null);
    }
  }

  /** (b, t) to (b, t, size): a vector for each token and place. */
  private Tensor mixed(Tensor ids, long past) {
    return Ops.tanh(
        Ops.embedding(table, ids).mul(positions.narrow(0, past, ids.size(1)).unsqueeze(0)));
  }

  @Override
  public boolean isEncoderDecoder() {
    return true;
  }

  @Override
  public int maxPositions() {
    return Integer.MAX_VALUE;
  }

  @Override
  public int vocabSize() {
    return vocabSize;
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public void close() {
    List.of(table, positions, head).forEach(Tensor::close);
  }

  private final class Session implements DecoderSession {
    private final @Nullable KvCache past;
    private Tensor encoded;

    Session(Tensor encoded, @Nullable KvCache past) {
      this.encoded = encoded;
      this.past = past;
    }

    @Override
    public Tensor logits(Tensor ids, @Nullable Tensor attentionMask) {
      decodedTokens += (int) ids.numel();
      try (TensorScope scope = TensorScope.open("decoder")) {
        Tensor all = mixed(ids, length()).unsqueeze(1);
        if (past != null) {
          all = past.append(0, all, all).keys();
          past.advance(ids.size(1));
        }
        Tensor state = all.squeeze(1).sum(1L).add(encoded);
        return scope.keep(Ops.tanh(state).matmul(head));
      }
    }

    @Override
    public long length() {
      return past == null ? 0 : past.length();
    }

    @Override
    public void expand(int copies) {
      try (TensorScope scope = TensorScope.open("expand")) {
        List<Tensor> rows = new ArrayList<>();
        for (long row = 0; row < encoded.size(0); row++) {
          rows.addAll(Collections.nCopies(copies, encoded.narrow(0, row, 1)));
        }
        Tensor more = Creation.cat(rows, 0);
        encoded.close();
        encoded = more.escape();
      }
      if (past != null) {
        past.expand(copies);
      }
    }

    @Override
    public void reorder(long[] rows, long from) {
      if (past != null) {
        past.reorder(rows, from);
      }
    }

    @Override
    public void close() {
      encoded.close();
      if (past != null) {
        past.close();
      }
    }
  }
}
