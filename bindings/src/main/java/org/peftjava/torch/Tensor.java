package org.peftjava.torch;

import static java.util.Objects.requireNonNull;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.TensorVector;
import org.jspecify.annotations.Nullable;

/**
 * A multi-dimensional array in native memory, with automatic differentiation.
 *
 * <p>Owned by exactly one of: the {@link TensorScope} in which it was created (or that it was kept
 * for), or, after {@link #escape()}, whoever called that and must {@link #close()} it. Operations
 * return new tensors, which may share memory with their operand ({@code view}, {@code transpose},
 * {@code narrow}, ...); names that end in {@code InPlace} change the operand. Use after closing
 * throws {@link TorchException.ClosedTensor}.
 */
public final class Tensor implements AutoCloseable {
  private org.bytedeco.pytorch.@Nullable Tensor handle; // null: a view that no operator has used
  private @Nullable Tensor base; // whose memory such a view reads
  private int waiting; // such views of this; guarded by this
  private boolean closing; // with the last of them; guarded by this
  private Layout layout;
  private final boolean counted;
  private @Nullable TensorScope owner;
  private volatile @Nullable String closedBy;
  private @Nullable Recipe recipe;

  Tensor(org.bytedeco.pytorch.Tensor handle) {
    this(handle, new Layout(handle));
  }

  Tensor(org.bytedeco.pytorch.@Nullable Tensor handle, Layout layout) {
    this.handle = handle;
    this.layout = layout;
    owner = TensorScope.current();
    counted = owner != null;
    if (owner == null) {
      TensorLedger.unscoped();
    } else {
      owner.adopt(this);
      TensorLedger.opened(this);
    }
  }

  org.bytedeco.pytorch.Tensor handle() {
    checkOpen();
    org.bytedeco.pytorch.Tensor known = handle;
    return known == null ? madeHandle() : known;
  }

  /** A view becomes a tensor of libtorch, of the scope in which it was created. */
  private synchronized org.bytedeco.pytorch.Tensor madeHandle() {
    org.bytedeco.pytorch.Tensor made = handle;
    if (made == null) {
      made = strided(requireNonNull(requireNonNull(base).handle));
      handle = made;
      layout = layout.alone(made);
      leaveBase();
    }
    return made;
  }

  private org.bytedeco.pytorch.Tensor strided(org.bytedeco.pytorch.Tensor whole) {
    try (PointerScope pointers = new PointerScope();
        GradMode off = GradMode.noGrad()) {
      LongOptional first = new LongOptional(whole.storage_offset() + layout.offset());
      org.bytedeco.pytorch.Tensor made =
          Natives.call(() -> whole.as_strided(layout.sizes(), layout.strides(), first));
      requireNonNull(owner).own(made);
      return made;
    }
  }

  /**
   * A view of this. Where no gradient is recorded it stays one of Java, which costs next to
   * nothing, until an operator of libtorch takes it; our kernels only want its address.
   */
  private Tensor view(
      Function<Layout, @Nullable Layout> part, Supplier<org.bytedeco.pytorch.Tensor> operator) {
    if (staysInJava()) {
      synchronized (this) {
        Layout seen = part.apply(layout);
        if (seen != null) {
          Tensor result = new Tensor(null, seen);
          result.base = base == null ? this : base;
          result.base.enteredByView();
          return result;
        }
      }
    }
    return Natives.op(operator);
  }

  /** Whether views made now do, of memory that stays until the present scope ends. */
  private boolean staysInJava() {
    return isOnCpu()
        && !GradMode.isEnabled()
        && TensorScope.current() != null
        && (owner == null || owner.isOfThisThread());
  }

  private synchronized void enteredByView() {
    waiting++;
  }

  /** A view has gone: memory that is no longer wanted itself ends with the last one. */
  private synchronized void leftByView() {
    waiting--;
    if (waiting == 0 && closing) {
      requireNonNull(handle).deallocate();
    }
  }

  /** The tensor whose memory this reads, if this is a view that no operator has used. */
  @Nullable Tensor base() {
    checkOpen();
    return base;
  }

  private Layout layout() {
    checkOpen();
    return layout;
  }

  private void checkOpen() {
    if (closedBy != null) {
      throw new TorchException.ClosedTensor(
          "This tensor was closed "
              + closedBy
              + ". Call scope.keep(tensor) before the scope ends,"
              + " or tensor.escape() to own it yourself.");
    }
  }

  /** How this tensor is computed again, if that is known. */
  @Nullable Recipe recipe() {
    return recipe;
  }

  /** Says how this tensor is computed again. Returns this. */
  Tensor recomputedBy(Recipe how) {
    recipe = how;
    return this;
  }

  @Nullable TensorScope owner() {
    return owner;
  }

  void ownedBy(TensorScope scope) {
    owner = scope;
  }

  void closedByScope(String scope) {
    closedBy = "with the scope \"" + scope + "\"";
    owner = null;
    TensorLedger.closed(this);
    leaveBase();
    forgetRecipe();
  }

  /**
   * Takes this tensor out of its scope: the caller owns it from now on and must close it. Returns
   * this.
   */
  public Tensor escape() {
    TensorScope scope = owner;
    if (scope != null) {
      scope.release(this);
      owner = null;
    }
    return this;
  }

  /** Frees the native memory, unless other tensors share it. Closing twice does nothing. */
  @Override
  public synchronized void close() {
    if (closedBy == null) {
      closedBy = "explicitly";
      owner = null;
      if (counted) {
        TensorLedger.closed(this);
      }
      closing = handle != null && waiting > 0;
      if (handle != null && !closing) {
        handle.deallocate();
      }
      leaveBase();
      forgetRecipe();
    }
  }

  private void leaveBase() {
    if (base != null) {
      base.leftByView();
      base = null;
    }
  }

  private void forgetRecipe() {
    if (recipe != null) {
      recipe.release();
      recipe = null;
    }
  }

  /** Whether this tensor has been closed. */
  public boolean isClosed() {
    return closedBy != null;
  }

  /**
   * A second handle on the same values and the same place in the graph, owned by the current scope.
   */
  public Tensor alias() {
    return Natives.op(() -> new org.bytedeco.pytorch.Tensor(handle()));
  }

  /** Element type. */
  public DType dtype() {
    return layout().type();
  }

  /** Where the values live. */
  public Device device() {
    return layout().device();
  }

  /** Whether {@link #device} is the CPU. */
  boolean isOnCpu() {
    return layout().isOnCpu();
  }

  /** The sizes. */
  public Shape shape() {
    return Shape.of(layout().sizes());
  }

  /** Size of one dimension; a negative number counts from the end. */
  public long size(int dim) {
    long[] sizes = layout().sizes();
    int index = dim < 0 ? dim + sizes.length : dim;
    return index >= 0 && index < sizes.length
        ? sizes[index]
        : Natives.call(() -> handle().size(dim)); // which says what is wrong
  }

  /** Number of dimensions. */
  public int rank() {
    return layout().sizes().length;
  }

  /** Number of elements. */
  public long numel() {
    return layout().numel();
  }

  /**
   * Address of the first element, 0 if there is none; valid while this tensor is open. For kernels,
   * which take contiguous memory.
   */
  public long address() {
    return layout().address();
  }

  /** Elements between neighbours along one dimension; a negative number counts from the end. */
  public long stride(int dim) {
    long[] strides = layout().strides();
    int index = dim < 0 ? dim + strides.length : dim;
    return index >= 0 && index < strides.length
        ? strides[index]
        : Natives.call(() -> handle().stride(dim));
  }

  /** Whether the elements lie in row-major order without gaps. */
  public boolean isContiguous() {
    return layout().isContiguous();
  }

  /** This tensor if contiguous, else a contiguous copy. */
  public Tensor contiguous() {
    return isContiguous() ? this : Natives.op(() -> handle().contiguous());
  }

  /** A copy with memory of its own. */
  public Tensor copy() {
    return Natives.op(() -> handle().clone());
  }

  /** This tensor if it has that type, else a converted copy. */
  public Tensor to(DType type) {
    return dtype() == type ? this : Natives.op(() -> handle().to(type.scalarType()));
  }

  /** This tensor if it is there, else a copy on that device. */
  public Tensor to(Device target) {
    return device().equals(target)
        ? this
        : Natives.op(
            () ->
                handle()
                    .to(
                        Natives.nativeDevice(target),
                        handle().scalar_type(),
                        false,
                        false,
                        Natives.ANY_FORMAT));
  }

  /** Whether gradients flow to this tensor. */
  public boolean requiresGrad() {
    checkOpen();
    Tensor memory = base; // a view needs one where that does
    return requireNonNull(memory == null ? handle : memory.handle).requires_grad();
  }

  /** The same now: not while gradients are not recorded. */
  boolean recordsGrad() {
    return GradMode.isEnabled() && requiresGrad();
  }

  /** Makes this leaf collect gradients, or stop. Returns this. */
  public Tensor requiresGrad(boolean required) {
    Natives.call(() -> handle().set_requires_grad(required));
    return this;
  }

  /**
   * The gradient that backward passes have added up here. The returned tensor is a handle on the
   * same memory.
   */
  public Optional<Tensor> grad() {
    org.bytedeco.pytorch.Tensor gradient = Natives.call(() -> handle().grad());
    return gradient.defined()
        ? Optional.of(Natives.op(() -> new org.bytedeco.pytorch.Tensor(gradient)))
        : Optional.empty();
  }

  /**
   * Sets the gradient, of this tensor's shape, type and device; null removes it and frees its
   * memory.
   */
  public void setGrad(@Nullable Tensor gradient) {
    if (gradient != null
        && !(gradient.shape().equals(shape())
            && gradient.dtype() == dtype()
            && gradient.device().equals(device()))) {
      throw new TorchException.ShapeMismatch(
          "A gradient of " + gradient + " does not belong to " + this + ": both must be alike.");
    }
    Natives.call(
        () ->
            handle()
                .mutable_grad()
                .put(gradient == null ? new org.bytedeco.pytorch.Tensor() : gradient.handle()));
  }

  /** A number that grows with each change of the values in place. */
  public long version() {
    return handle()._version();
  }

  /** The same values outside the graph. Shares memory. */
  public Tensor detach() {
    return Natives.op(() -> handle().detach());
  }

  /** Computes gradients of this scalar with respect to every leaf below it. */
  public void backward() {
    Autograd.backward(this, null);
  }

  /** Computes gradients, given the gradient of this tensor. */
  public void backward(Tensor gradient) {
    Autograd.backward(this, gradient);
  }

  // ---- shape ----

  /** The same elements in another shape; one size may be -1. Copies only if it must. */
  public Tensor reshape(long... sizes) {
    return view(of -> of.reshaped(sizes), () -> handle().reshape(sizes));
  }

  /**
   * The same memory read as another type, such as bytes as floats. The last dimension scales
   * accordingly.
   */
  public Tensor viewAs(DType type) {
    return Natives.op(() -> handle().view(type.scalarType()));
  }

  /** The same memory from this tensor's first element on, with these strides (in elements). */
  public Tensor asStrided(long[] sizes, long[] strides) {
    return Natives.op(() -> handle().as_strided(sizes, strides));
  }

  /** Exchanges two dimensions. Shares memory. */
  public Tensor transpose(int first, int second) {
    return view(of -> of.transposed(first, second), () -> handle().transpose(first, second));
  }

  /** Transposes a matrix. Shares memory. */
  public Tensor t() {
    return Natives.op(() -> handle().t());
  }

  /** Reorders the dimensions. Shares memory. */
  public Tensor permute(long... dims) {
    return Natives.op(() -> handle().permute(dims));
  }

  /** {@code length} slices from {@code start} along one dimension. Shares memory. */
  public Tensor narrow(int dim, long start, long length) {
    return view(of -> of.narrowed(dim, start, length), () -> handle().narrow(dim, start, length));
  }

  /** One slice along one dimension, which disappears. Shares memory. */
  public Tensor select(int dim, long index) {
    return Natives.op(() -> handle().select(dim, index));
  }

  /** Adds a dimension of size 1. Shares memory. */
  public Tensor unsqueeze(int dim) {
    return Natives.op(() -> handle().unsqueeze(dim));
  }

  /** Removes a dimension of size 1. Shares memory. */
  public Tensor squeeze(int dim) {
    return Natives.op(() -> handle().squeeze(dim));
  }

  /** Repeats dimensions of size 1 without copying; -1 leaves a size as it is. */
  public Tensor expand(long... sizes) {
    return Natives.op(() -> handle().expand(sizes));
  }

  /** Equal parts along one dimension. Share memory. */
  public List<Tensor> chunk(int parts, int dim) {
    long size = size(dim);
    if (parts > 0 && size % parts == 0 && staysInJava()) {
      long each = size / parts;
      return IntStream.range(0, parts).mapToObj(i -> narrow(dim, i * each, each)).toList();
    }
    return listOf(Natives.call(() -> handle().chunk(parts, dim)));
  }

  /** Rows picked by an int64 vector along one dimension. */
  public Tensor indexSelect(int dim, Tensor index) {
    return Natives.op(() -> handle().index_select(dim, index.handle()));
  }

  /** Elements picked by int64 indices along one dimension (torch.gather). */
  public Tensor gather(int dim, Tensor index) {
    return Natives.op(() -> handle().gather(dim, index.handle()));
  }

  private static List<Tensor> listOf(TensorVector vector) {
    Tensor[] tensors = new Tensor[(int) vector.size()];
    for (int i = 0; i < tensors.length; i++) {
      tensors[i] = new Tensor(new org.bytedeco.pytorch.Tensor(vector.get(i)));
    }
    return List.of(tensors);
  }

  // ---- arithmetic ----

  /** Element-wise sum, with broadcasting. */
  public Tensor add(Tensor other) {
    return Natives.op(() -> handle().add(other.handle()));
  }

  /** {@code this + alpha * other}. */
  public Tensor add(Tensor other, double alpha) {
    return Natives.op(() -> handle().add(other.handle(), Natives.scalar(alpha)));
  }

  /** Adds a number to every element. */
  public Tensor add(double value) {
    return Natives.op(() -> handle().add(Natives.scalar(value)));
  }

  /** Adds {@code alpha * other} to this tensor. */
  public Tensor addInPlace(Tensor other, double alpha) {
    Natives.call(() -> handle().add_(other.handle(), Natives.scalar(alpha)));
    return this;
  }

  /** Adds to this tensor. */
  public Tensor addInPlace(Tensor other) {
    Natives.call(() -> handle().add_(other.handle()));
    return this;
  }

  /** Element-wise difference, with broadcasting. */
  public Tensor sub(Tensor other) {
    return Natives.op(() -> handle().sub(other.handle()));
  }

  /** Subtracts {@code alpha * other} from this tensor. */
  public Tensor subInPlace(Tensor other, double alpha) {
    Natives.call(() -> handle().sub_(other.handle(), Natives.scalar(alpha)));
    return this;
  }

  /** Element-wise product, with broadcasting. */
  public Tensor mul(Tensor other) {
    return Natives.op(() -> handle().mul(other.handle()));
  }

  /** Multiplies every element by a number. */
  public Tensor mul(double value) {
    return Natives.op(() -> handle().mul(Natives.scalar(value)));
  }

  /** Multiplies this tensor by a number. */
  public Tensor mulInPlace(double value) {
    Natives.call(() -> handle().mul_(Natives.scalar(value)));
    return this;
  }

  /** Multiplies this tensor element-wise. */
  public Tensor mulInPlace(Tensor other) {
    Natives.call(() -> handle().mul_(other.handle()));
    return this;
  }

  /** Element-wise quotient, with broadcasting. */
  public Tensor div(Tensor other) {
    return Natives.op(() -> handle().div(other.handle()));
  }

  /** Divides every element by a number. */
  public Tensor div(double value) {
    return Natives.op(() -> handle().div(Natives.scalar(value)));
  }

  /** Changes the sign. */
  public Tensor neg() {
    return Natives.op(() -> handle().neg());
  }

  /** Element-wise square root. */
  public Tensor sqrt() {
    return Natives.op(() -> handle().sqrt());
  }

  /** Element-wise power. */
  public Tensor pow(double exponent) {
    return Natives.op(() -> handle().pow(Natives.scalar(exponent)));
  }

  /** Element-wise exponential. */
  public Tensor exp() {
    return Natives.op(() -> handle().exp());
  }

  /** Element-wise natural logarithm. */
  public Tensor log() {
    return Natives.op(() -> handle().log());
  }

  /** Element-wise absolute value. */
  public Tensor abs() {
    return Natives.op(() -> handle().abs());
  }

  /** Matrix product, batched over leading dimensions. */
  public Tensor matmul(Tensor other) {
    return Natives.op(() -> handle().matmul(other.handle()));
  }

  // ---- reductions and comparisons ----

  /** Sum of all elements, a scalar tensor. */
  public Tensor sum() {
    return Natives.op(() -> handle().sum());
  }

  /** Sum along some dimensions, which disappear. */
  public Tensor sum(long... dims) {
    return Natives.op(() -> handle().sum(dims));
  }

  /** Running sum along one dimension. */
  public Tensor cumsum(int dim) {
    return Natives.op(() -> handle().cumsum(dim));
  }

  /** Mean of all elements, a scalar tensor. */
  public Tensor mean() {
    return Natives.op(() -> handle().mean());
  }

  /** Largest element, a scalar tensor. */
  public Tensor max() {
    return Natives.op(() -> handle().max());
  }

  /** Largest element along one dimension, which disappears; NaN wins over every number. */
  public Tensor amax(int dim) {
    return Natives.op(() -> handle().amax(new long[] {dim}, false));
  }

  /** Smallest element, a scalar tensor. */
  public Tensor min() {
    return Natives.op(() -> handle().min());
  }

  /** Index of the largest element along one dimension, int64. */
  public Tensor argmax(int dim) {
    return Natives.op(() -> handle().argmax(new LongOptional(dim), false));
  }

  /** Whether each element equals a number, as booleans. */
  public Tensor eq(double value) {
    return Natives.op(() -> handle().eq(Natives.scalar(value)));
  }

  /** Whether each element differs from a number, as booleans. */
  public Tensor ne(double value) {
    return Natives.op(() -> handle().ne(Natives.scalar(value)));
  }

  /** Whether each element is below the other's, as booleans. */
  public Tensor lt(Tensor other) {
    return Natives.op(() -> handle().lt(other.handle()));
  }

  /** Whether each element is below a number, as booleans. */
  public Tensor lt(double value) {
    return Natives.op(() -> handle().lt(Natives.scalar(value)));
  }

  /** Whether each element is above a number, as booleans. */
  public Tensor gt(double value) {
    return Natives.op(() -> handle().gt(Natives.scalar(value)));
  }

  /** Element-wise and of booleans. */
  public Tensor and(Tensor other) {
    return Natives.op(() -> handle().logical_and(other.handle()));
  }

  /** Where either is true. */
  public Tensor or(Tensor other) {
    return Natives.op(() -> handle().logical_or(other.handle()));
  }

  /** Element-wise not of booleans. */
  public Tensor not() {
    return Natives.op(() -> handle().logical_not());
  }

  /** A copy with {@code value} where the boolean mask is true. */
  public Tensor maskedFill(Tensor mask, double value) {
    return Natives.op(() -> handle().masked_fill(mask.handle(), Natives.scalar(value)));
  }

  /** Whether all elements are neither infinite nor NaN. */
  public boolean isFinite() {
    return Natives.call(() -> handle().isfinite().all().item_bool());
  }

  // ---- in place ----

  /** Copies the values of another tensor into this one, converting type and device. */
  public Tensor copyInPlace(Tensor source) {
    Natives.call(() -> handle().copy_(source.handle()));
    return this;
  }

  /** Adds a number to every element of this tensor. */
  public Tensor addInPlace(double value) {
    Natives.call(() -> handle().add_(Natives.scalar(value)));
    return this;
  }

  /** Divides this tensor by a number. */
  public Tensor divInPlace(double value) {
    Natives.call(() -> handle().div_(Natives.scalar(value)));
    return this;
  }

  /** Moves this tensor towards another: {@code this += weight * (end - this)}. */
  public Tensor lerpInPlace(Tensor end, double weight) {
    Natives.call(() -> handle().lerp_(end.handle(), Natives.scalar(weight)));
    return this;
  }

  /** Adds {@code value * a * b} to this tensor. */
  public Tensor addcmulInPlace(Tensor a, Tensor b, double value) {
    Natives.call(() -> handle().addcmul_(a.handle(), b.handle(), Natives.scalar(value)));
    return this;
  }

  /** Adds {@code value * a / b} to this tensor. */
  public Tensor addcdivInPlace(Tensor a, Tensor b, double value) {
    Natives.call(() -> handle().addcdiv_(a.handle(), b.handle(), Natives.scalar(value)));
    return this;
  }

  /** Sets every element. */
  public Tensor fillInPlace(double value) {
    Natives.call(() -> handle().fill_(Natives.scalar(value)));
    return this;
  }

  /** Fills with independent normal numbers from libtorch's generator. */
  public Tensor normalInPlace(double mean, double std) {
    Natives.call(() -> handle().normal_(mean, std, new GeneratorOptional()));
    return this;
  }

  /** Fills with independent uniform numbers in [from, to) from libtorch's generator. */
  public Tensor uniformInPlace(double from, double to) {
    Natives.call(() -> handle().uniform_(from, to, new GeneratorOptional()));
    return this;
  }

  /** Sets the picked rows along one dimension; {@code index} is int64. */
  public Tensor indexFillInPlace(int dim, Tensor index, double value) {
    Natives.call(() -> handle().index_fill_(dim, index.handle(), Natives.scalar(value)));
    return this;
  }

  /** Overwrites the picked rows along one dimension by those of another tensor, in order. */
  public Tensor indexCopyInPlace(int dim, Tensor index, Tensor source) {
    Natives.call(() -> handle().index_copy_(dim, index.handle(), source.handle()));
    return this;
  }

  // ---- to Java ----

  /** The single element as a number. */
  public double toDouble() {
    return Natives.call(() -> handle().item_double());
  }

  /** The single element as an integer. */
  public long toLong() {
    return Natives.call(() -> handle().item_long());
  }

  /** All elements, row-major, converted to float. */
  public float[] toFloats() {
    return HostCopies.floats(this);
  }

  /** All elements, row-major, converted to long. */
  public long[] toLongs() {
    return HostCopies.longs(this);
  }

  /** The raw bytes of all elements, row-major, in this machine's byte order. */
  public byte[] toBytes() {
    return HostCopies.bytes(this);
  }

  @Override
  public String toString() {
    return closedBy != null ? "Tensor[closed]" : "Tensor" + shape() + " " + dtype();
  }
}
