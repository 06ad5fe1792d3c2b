package org.peftjava.torch.cuda;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Something that every card of the process has one of, made when a card first asks; where it cannot
 * be had the reason is logged, once for each card.
 */
final class PerCard<T> {
  private static final Logger LOG = LoggerFactory.getLogger(PerCard.class);

  private final String without;
  private final IntFunction<Optional<T>> opener;
  private final Map<Integer, Optional<T>> opened = new ConcurrentHashMap<>();

  /**
   * Nothing is opened yet.
   *
   * @param without what is not there then and what serves instead, for the log
   * @param opener throws {@link CudaException} or an error of linking where there is none; empty
   *     where none is wanted, of which nothing is logged
   */
  PerCard(String without, IntFunction<Optional<T>> opener) {
    this.without = without;
    this.opener = opener;
  }

  /** That of a card. */
  Optional<T> on(int device) {
    return opened.computeIfAbsent(device, this::open);
  }

  private Optional<T> open(int device) {
    try {
      return opener.apply(device);
    } catch (LinkageError e) {
      LOG.warn(
          "{}: NVIDIA's libraries or the driver could not be loaded ({}). Add org.bytedeco:cuda and"
              + " org.bytedeco:cuda-redist with the classifier of this platform to the class path,"
              + " and check the NVIDIA driver.",
          without,
          e.toString());
    } catch (CudaException e) {
      LOG.warn("{}: {}", without, e.getMessage());
    }
    return Optional.empty();
  }
}
