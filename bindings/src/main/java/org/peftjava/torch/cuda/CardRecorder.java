package org.peftjava.torch.cuda;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUgraphExec_st;
import org.bytedeco.cuda.cudart.CUgraph_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.cuda.CUDAAllocator;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.cuda.DeviceAssertionsDataVectorCUDAKernelLaunchInfoVectorPair;
import org.bytedeco.pytorch.cuda.StreamFilter;
import org.bytedeco.pytorch.global.torch_cuda;
import org.jspecify.annotations.Nullable;

/**
 * Records the work of an NVIDIA card as CUDA graphs, as {@code torch.cuda.CUDAGraph} does.
 *
 * <p>All recordings of a card are made on one stream of libtorch, which nothing else uses, and have
 * one pool of its allocator's memory together: what lies there counts only from the start of a
 * replay to the copies of its result, and that happens in turn. The stream of recordings does not
 * wait for the others, so the card is idle before and after.
 */
public final class CardRecorder implements StepRecorder {
  /** The first half of a pool's name; libtorch counts its own from 1. */
  private static final long POOLS = 0x7065667400000000L;

  private static final Recorded RECORDED = new Recorded();

  private final byte card;
  private final CUctx_st context;
  private final CUDAStream stream;
  private final long address;
  private final LongPointer name;
  private final ReentrantLock turn = new ReentrantLock();

  /** Says whether memory for a stream comes from the pool: the allocator asks, on every thread. */
  private static final class Recorded extends StreamFilter {
    private final Set<Long> streams = ConcurrentHashMap.newKeySet();

    Recorded() {
      retainReference();
    }

    @Override
    public boolean call(@Nullable Pointer stream) {
      return stream != null && streams.contains(stream.address());
    }
  }

  /**
   * That of a card, of which there is to be one.
   *
   * @throws RuntimeException if its driver cannot be asked
   */
  public CardRecorder(int card) {
    this.card = (byte) card;
    context = CudaDriver.primaryContext(card);
    try (PointerScope scope = new PointerScope()) {
      stream = torch_cuda.getStreamFromPool(false, this.card).<CUDAStream>retainReference();
      address = stream.stream().address();
      name = new LongPointer(POOLS + card, 0).<LongPointer>retainReference();
      allocator().createOrIncrefPool(this.card, pool()); // it outlives every recording
    }
  }

  private static CUDAAllocator allocator() {
    return torch_cuda.getAllocator();
  }

  /** libtorch's {@code MempoolId_t}, two numbers, which the presets take as this class. */
  private DeviceAssertionsDataVectorCUDAKernelLaunchInfoVectorPair pool() {
    return new DeviceAssertionsDataVectorCUDAKernelLaunchInfoVectorPair(name);
  }

  @Override
  public void rehearse(Runnable work) {
    turn.lock();
    try {
      onStream(work);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public Recording record(Runnable work) {
    CUgraph_st graph = new CUgraph_st();
    turn.lock();
    try {
      onStream(() -> intoPool(() -> capture(work, graph)));
      return instantiated(graph);
    } catch (RuntimeException | Error e) {
      cudart.cudaGetLastError(); // else the next operator would find the error
      throw e;
    } finally {
      if (!graph.isNull()) {
        cudart.cuGraphDestroy(graph);
      }
      turn.unlock();
    }
  }

  private void onStream(Runnable work) {
    Cards.synchronize(card);
    CUDAStream before = current();
    use(stream);
    try {
      work.run();
    } finally {
      use(before);
      before.releaseReference();
      Cards.synchronize(card);
    }
  }

  private CUDAStream current() {
    try (PointerScope scope = new PointerScope()) {
      return torch_cuda.getCurrentCUDAStream(card).<CUDAStream>retainReference();
    }
  }

  private static void use(CUDAStream chosen) {
    torch_cuda.setCurrentCUDAStream(chosen);
  }

  /** Counts one more use of the pool, which {@link #releasePool} ends, unless the work throws. */
  private void intoPool(Runnable work) {
    try (PointerScope scope = new PointerScope()) {
      allocator().beginAllocateToPool(card, pool(), RECORDED);
    }
    boolean done = false;
    try {
      RECORDED.streams.add(address);
      work.run();
      done = true;
    } finally {
      RECORDED.streams.remove(address);
      try (PointerScope scope = new PointerScope()) {
        allocator().endAllocateToPool(card, pool());
      }
      if (!done) {
        releasePool();
      }
    }
  }

  private void releasePool() {
    try (PointerScope scope = new PointerScope()) {
      allocator().releasePool(card, pool());
    }
  }

  /** Only this thread must do nothing now that a recording cannot hold; others go on. */
  private void capture(Runnable work, CUgraph_st graph) {
    try (PointerScope scope = new PointerScope();
        CudaDriver.Entered entered = CudaDriver.enter(context)) {
      CudaDriver.check(
          cudart.cuStreamBeginCapture(stream.stream(), cudart.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
          "cuStreamBeginCapture");
    }
    int ended;
    try {
      work.run();
    } finally {
      try (PointerScope scope = new PointerScope();
          CudaDriver.Entered entered = CudaDriver.enter(context)) {
        ended = cudart.cuStreamEndCapture(stream.stream(), graph);
      }
    }
    CudaDriver.check(ended, "cuStreamEndCapture");
  }

  private Recording instantiated(CUgraph_st graph) {
    CUgraphExec_st executable = new CUgraphExec_st();
    try (CudaDriver.Entered entered = CudaDriver.enter(context)) {
      CudaDriver.check(cudart.cuGraphInstantiate(executable, graph, 0), "cuGraphInstantiate");
      return new Graph(executable);
    } catch (RuntimeException e) {
      releasePool();
      throw e;
    }
  }

  /** A graph that the driver can start. */
  private final class Graph implements Recording {
    private final CUgraphExec_st executable;
    private boolean closed;

    Graph(CUgraphExec_st executable) {
      this.executable = executable;
    }

    @Override
    public <T> T replay(Supplier<T> result) {
      turn.lock();
      try {
        launch();
        return result.get();
      } finally {
        turn.unlock();
      }
    }

    private void launch() {
      try (PointerScope scope = new PointerScope();
          CudaDriver.Entered entered = CudaDriver.enter(context)) {
        CudaDriver.check(
            cudart.cuGraphLaunch(executable, torch_cuda.getCurrentCUDAStream(card).stream()),
            "cuGraphLaunch");
      }
    }

    /** What the card still does of it ends as it would have. */
    @Override
    public void close() {
      if (!closed) {
        closed = true;
        cudart.cuGraphExecDestroy(executable);
        releasePool();
      }
    }
  }
}
