package org.peftjava.transformers.checkpoint;

import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.TorchPickle.Block;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * Reads a file that {@code torch.save(state_dict)} wrote, such as {@code pytorch_model.bin}: both
 * forms of the file, tensors and containers only.
 *
 * <p>A tensor is a view of the mapped file. It is copied, one at a time, where it does not lie row
 * by row, where its address does not suit its type, and where it shares elements with another
 * tensor.
 */
public final class TorchFile implements WeightSource {
  private final MappedFile file;
  private final Map<String, StoredTensor> tensors;
  private final Map<String, Block> storages;
  private final Set<String> sharing;

  private TorchFile(
      MappedFile file, Map<String, StoredTensor> tensors, Map<String, Block> storages) {
    this.file = file;
    this.tensors = tensors;
    this.storages = storages;
    this.sharing = TensorDictionary.sharing(tensors);
  }

  /**
   * Maps a file and reads what it says about its tensors.
   *
   * @throws InvalidFileException if the file is damaged, was not written by torch, or names
   *     anything but tensors and containers, which is never run
   */
  public static WeightSource open(Path file) {
    long size = MappedFile.size(file, ".bin");
    if (size == 0) {
      throw new InvalidFileException(file, "is empty. Fetch it again.");
    }
    MappedFile mapped = MappedFile.open(file, size);
    try {
      TorchPickle pickle = TorchPickle.read(mapped);
      Map<String, StoredTensor> tensors = TensorDictionary.tensors(mapped, pickle.root());
      tensors.forEach((name, tensor) -> check(file, name, tensor, pickle.storages()));
      return new TorchFile(mapped, tensors, pickle.storages());
    } catch (RuntimeException e) {
      mapped.close();
      throw e;
    }
  }

  private static void check(
      Path file, String name, StoredTensor tensor, Map<String, Block> storages) {
    StoredTensor.Storage storage = tensor.storage();
    Block block = storages.get(storage.key());
    long needed = storage.numel() * storage.dtype().byteSize();
    if (block == null || needed > block.length()) {
      throw new InvalidFileException(
          file,
          "tensor \""
              + name
              + "\" needs "
              + needed
              + " bytes in storage \""
              + storage.key()
              + "\", which "
              + (block == null ? "is not there" : "has " + block.length())
              + ". The file was cut short or is damaged: fetch it again.");
    }
  }

  @Override
  public Set<String> names() {
    return tensors.keySet();
  }

  @Override
  public DType dtype(String name) {
    return find(name).storage().dtype();
  }

  @Override
  public Shape shape(String name) {
    return find(name).shape();
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of();
  }

  @Override
  public boolean sameElements(String first, String second) {
    return find(first).equals(find(second));
  }

  @Override
  public Tensor tensor(String name) {
    return tensor(file, name);
  }

  @Override
  public Tensor tensor(String name, DType dtype) {
    if (!dtype(name).isFloatingPoint() || dtype(name) == dtype) {
      return tensor(file, name);
    }
    try (TensorScope scope = TensorScope.open("convert tensor");
        MappedFile once = file.again()) {
      return scope.keep(tensor(once, name).to(dtype));
    }
  }

  @Override
  public void read(String name, Consumer<Tensor> reader) {
    try (TensorScope scope = TensorScope.open("read tensor");
        MappedFile once = file.again()) {
      reader.accept(tensor(once, name));
    }
  }

  private Tensor tensor(MappedFile from, String name) {
    StoredTensor stored = find(name);
    DType dtype = stored.storage().dtype();
    if (stored.shape().numel() == 0) {
      return Creation.empty(dtype, Device.CPU, stored.shape().toArray());
    }
    Block block = Objects.requireNonNull(storages.get(stored.storage().key()));
    long begin = block.begin() + stored.offset() * dtype.byteSize();
    long length = (stored.end() - stored.offset()) * dtype.byteSize();
    try (TensorScope scope = TensorScope.open("read tensor")) {
      Tensor elements = from.elements(dtype, begin, length);
      if (stored.isContiguous()) {
        Tensor whole = elements.reshape(stored.shape().toArray());
        return scope.keep(sharing.contains(name) ? whole.copy() : whole);
      }
      long[] strides = stored.strides().stream().mapToLong(Long::longValue).toArray();
      // Always a copy: the strides are not those of a contiguous tensor.
      return scope.keep(elements.asStrided(stored.shape().toArray(), strides).contiguous());
    }
  }

  @Override
  public void close() {
    file.close();
  }

  private StoredTensor find(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          file.file() + " has no tensor \"" + name + "\". It has " + NameList.of(names()) + ".");
    }
    return tensor;
  }

  @Override
  public String toString() {
    return file.file().toString();
  }
}
