package org.peftjava.peft.tuner.boft;

import org.peftjava.peft.tuner.LayerSite;

/**
 * How BOFT cuts the input features into blocks, again and again in other arrangements.
 *
 * <p>Reference: PEFT {@code boft/layer.py::BOFTLayer.update_layer, block_butterfly_perm}.
 *
 * @param features of the input
 * @param block features of a block
 * @param arrangements how many follow each other
 */
record Butterfly(int features, int block, int arrangements) {
  /** What a config means for a layer; throws if it does not fit. */
  static Butterfly of(LayerSite site, BOFTConfig config) {
    int features = Math.toIntExact(site.linear().inFeatures());
    boolean byNumber = config.boftBlockNum() != 0;
    int given = byNumber ? config.boftBlockNum() : config.boftBlockSize();
    if (features % given != 0) {
      throw config
          .fields()
          .invalid(
              byNumber ? "boft_block_num" : "boft_block_size",
              "must divide the " + features + " input features of \"" + site.path() + "\"");
    }
    int block = byNumber ? features / given : given;
    int arrangements = config.boftNButterflyFactor();
    int count = features / block;
    boolean fits =
        arrangements == 1
            || (arrangements <= 31 && block % 2 == 0 && count % (1L << (arrangements - 1)) == 0);
    if (!fits) {
      throw config
          .fields()
          .invalid(
              "boft_n_butterfly_factor",
              "must be 1, or fit: "
                  + count
                  + " blocks of "
                  + block
                  + " features in \""
                  + site.path()
                  + "\" need an even block size and a number of blocks that can be halved "
                  + (arrangements - 1)
                  + " times");
    }
    return new Butterfly(features, block, arrangements);
  }

  /** The number of blocks. */
  int count() {
    return features / block;
  }

  /**
   * Where each feature stands in an arrangement. The first one is as given; in number i, stretches
   * of {@code 2^i} blocks have the even ones of their half blocks first.
   */
  long[] order(int arrangement) {
    int stretch = block << arrangement;
    int half = block / 2;
    int halves = stretch / Math.max(1, half);
    long[] result = new long[features];
    for (int feature = 0; feature < features; feature++) {
      if (arrangement == 0) {
        result[feature] = feature;
      } else {
        int inside = feature % stretch;
        int place = inside / half;
        int from = place < halves / 2 ? 2 * place : 2 * (place - halves / 2) + 1;
        result[feature] = (long) feature - inside + (long) from * half + inside % half;
      }
    }
    return result;
  }

  /** The reverse of an order. */
  static long[] reverse(long[] order) {
    long[] result = new long[order.length];
    for (int i = 0; i < order.length; i++) {
      result[(int) order[i]] = i;
    }
    return result;
  }
}
