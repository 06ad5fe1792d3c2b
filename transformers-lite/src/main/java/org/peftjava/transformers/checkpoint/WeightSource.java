package org.peftjava.transformers.checkpoint;

import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/**
 * Named tensors in files that are mapped into memory, not read: a tensor's pages come from the file
 * when they are touched, and processes that map the same file share them.
 *
 * <p>Changing a tensor changes this process's copy of the page, never the file. A file may be
 * replaced while it is mapped, as {@link AtomicFiles} does: the tensors keep the old contents. A
 * file that is overwritten or shortened in place ends the process; no writer of this library does
 * that.
 *
 * <p>Safe for use by several threads; tensors belong to the scope of the thread that asked.
 */
public interface WeightSource extends AutoCloseable {
  /** Names of all tensors, in the order of the file. */
  Set<String> names();

  /** Element type of a tensor. */
  DType dtype(String name);

  /** Sizes of a tensor. */
  Shape shape(String name);

  /**
   * A view of the mapped bytes, owned by the current scope; it stays valid after this source is
   * closed. A tensor that lies at an address its type cannot have, or not row by row, is copied.
   */
  Tensor tensor(String name);

  /**
   * The elements of a floating-point tensor as this type, owned by the current scope. Other tensors
   * keep their type. Where it differs from the file's, the pages that were read are given up again,
   * so that a model needs no more memory than its tensors and one of the file's.
   */
  Tensor tensor(String name, DType dtype);

  /**
   * Lets {@code reader} see a tensor's elements in the file's type, in a scope of their own, for
   * making something else of them: the pages that it touches are given up again.
   */
  void read(String name, Consumer<Tensor> reader);

  /** Whether two tensors are the same elements of the file, so that one need not compare them. */
  default boolean sameElements(String first, String second) {
    return first.equals(second);
  }

  /** The texts that the writer added; for several files, those of the first. */
  Map<String, String> metadata();

  /** Gives up the mapping, which ends when the last tensor over it is closed. */
  @Override
  void close();
}
