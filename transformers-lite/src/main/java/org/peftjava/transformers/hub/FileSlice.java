package org.peftjava.transformers.hub;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A part of a file as a stream; a file that has become shorter is an error. */
final class FileSlice extends InputStream {
  private final Path file;
  private final FileChannel channel;
  private long left;

  FileSlice(Path file, long from, long length) throws IOException {
    this.file = file;
    this.left = length;
    channel = FileChannel.open(file, StandardOpenOption.READ).position(from);
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    if (left == 0) {
      return -1;
    }
    int count = channel.read(ByteBuffer.wrap(buffer, offset, (int) Math.min(length, left)));
    if (count < 0) {
      throw new EOFException(file + " became shorter while it was read");
    }
    left -= count;
    return count;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
