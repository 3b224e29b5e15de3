// Convolution of frames in float32 on tensor cores: the product of a tile of frames with the matrix of each tap, which
// takes frames that lie `dilation` apart. `mlx_impl/ops/cuda/conv1d.py` launches it.
//
// Tensor cores multiply numbers of 11 bits and cut their sums off. A float is therefore taken apart into two such
// numbers, of which three products are made; and sums of eight products at a time are added by ordinary, rounded
// addition. (Ootomo and Yokota, Recovering single precision accuracy from Tensor Cores, 2022.) That has two levels: up to
// RUN taps of CHUNK channels, and those. It rounds like one of eight times eight.

constexpr int WARPS = 4, THREADS = 32 * WARPS;
constexpr int HEIGHT = 32, WIDTH = 64;  // of a warp's tile: frames and channels
constexpr int CHUNK = 16;               // channels at a time
constexpr int PITCH = CHUNK + 4;        // of a row in shared memory: eight rows of four values lie in different banks
constexpr int REACH = 50;               // frames that a block's tile reaches beyond its own at most
constexpr int RUN = 4;
constexpr int TOGETHER = 2;             // neighbouring parts of a tile, of 8 channels each
constexpr int STAGES = 3;               // matrices in shared memory: one in use, the others on their way

// Starts a copy of 16 bytes to shared memory; of zeros if there is nothing to copy.
__device__ void copy_async(float* to, const float* from, bool there) {
  unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(there ? 16 : 0));
}

__device__ void end_of_copies() {
  asm volatile("cp.async.commit_group;");
}

// Waits for all groups of copies but the last `pending`.
template <int pending>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending));
}

// Four columns of `count` rows that are `stride` apart to shared memory, by all threads; rows outside 0 ... limit are 0.
__device__ void fetch(float (*shared)[PITCH], const float* from, int count, size_t stride, int first, int limit) {
  for (int i = threadIdx.x; i < count * CHUNK / 4; i += THREADS) {
    int row = i / (CHUNK / 4), part = i % (CHUNK / 4) * 4, at = first + row;
    bool there = at >= 0 && at < limit;
    copy_async(&shared[row][part], from + (there ? at * stride : 0) + part, there);
  }
}

// A float as the sum of two numbers of 11 bits, rounded. What follows the 11 bits is not read.
struct Halves {
  unsigned high, low;

  __device__ explicit Halves(float x) {
    constexpr unsigned half = 1 << 12;
    high = (__float_as_uint(x) + half) & ~(2 * half - 1);
    low = __float_as_uint(x - __uint_as_float(high)) + half;
  }
};

// y (16, 8) += a (16, 8) b (8, 8), spread over a warp as the instruction wants it.
__device__ void multiply_add(float (&y)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(y[0]), "+f"(y[1]), "+f"(y[2]), "+f"(y[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// sum (HEIGHT, WIDTH) += frames (HEIGHT, 8) times a matrix (WIDTH, 8), transposed, by a warp. Rows are PITCH apart.
__device__ void add_product(float (&sum)[HEIGHT / 16][WIDTH / 8][4], const float* frames, const float* matrix) {
  int row = threadIdx.x % 32 / 4, column = threadIdx.x % 4;
  unsigned high[HEIGHT / 16][4], low[HEIGHT / 16][4];
#pragma unroll
  for (int i = 0; i < HEIGHT / 16; i++) {
#pragma unroll
    for (int part = 0; part < 4; part++) {
      Halves x(frames[(16 * i + row + part % 2 * 8) * PITCH + column + part / 2 * 4]);
      high[i][part] = x.high;
      low[i][part] = x.low;
    }
  }
  // Products of TOGETHER x HEIGHT / 16 tiles take turns, for each has to wait for its last.
#pragma unroll
  for (int begin = 0; begin < WIDTH / 8; begin += TOGETHER) {
    float y[TOGETHER][HEIGHT / 16][4] = {};
    unsigned w_high[TOGETHER][2], w_low[TOGETHER][2];
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
#pragma unroll
      for (int part = 0; part < 2; part++) {
        Halves w(matrix[(8 * (begin + j) + row) * PITCH + column + 4 * part]);
        w_high[j][part] = w.high;
        w_low[j][part] = w.low;
      }
    }
#pragma unroll
    for (int product = 0; product < 3; product++) {
#pragma unroll
      for (int j = 0; j < TOGETHER; j++) {
#pragma unroll
        for (int i = 0; i < HEIGHT / 16; i++) {
          multiply_add(y[j][i], product == 0 ? low[i] : high[i], product == 1 ? w_low[j] : w_high[j]);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < TOGETHER; j++) {
#pragma unroll
      for (int i = 0; i < HEIGHT / 16; i++) {
#pragma unroll
        for (int part = 0; part < 4; part++) {
          sum[i][begin + j][part] += y[j][i][part];
        }
      }
    }
  }
}

// x (B, T, C) between `padding` frames of zeros, weight (N, taps, C), bias (N) -> y (B, outputs, N). A block's tile has
// `width` channels, of which N is a multiple, as C is of CHUNK. There are two taps at least: chunks of frames take turns.
template <int width>
__device__ void convolve(
    const float* x, const float* weight, const float* bias, int T, int C, int N, int taps, int dilation, int padding,
    int outputs, float* y) {
  constexpr int beside = width / WIDTH, height = WARPS / beside * HEIGHT;
  __shared__ alignas(16) float frames[2][height + REACH][PITCH], matrices[STAGES][width][PITCH];

  int across = N / width, down = (outputs + height - 1) / height;
  int n = blockIdx.x % across * width, t = blockIdx.x / across % down * height, item = blockIdx.x / across / down;
  int warp_n = threadIdx.x / 32 % beside * WIDTH, warp_t = threadIdx.x / 32 / beside * HEIGHT;
  x += static_cast<size_t>(item) * T * C;
  y += static_cast<size_t>(item) * outputs * N;

  int steps = C / CHUNK * taps;  // each a tap of a chunk of channels
  auto fetch_for = [&](int step) {
    int chunk = step / taps, tap = step % taps;
    if (step < steps && tap == 0) {
      fetch(frames[chunk % 2], x + chunk * CHUNK, height + (taps - 1) * dilation, C, t - padding, T);
    }
    if (step < steps) {
      const float* matrix = weight + (static_cast<size_t>(n) * taps + tap) * C + chunk * CHUNK;
      fetch(matrices[step % STAGES], matrix, width, static_cast<size_t>(taps) * C, 0, width);
    }
    end_of_copies();
  };
  float sum[HEIGHT / 16][WIDTH / 8][4] = {}, run[HEIGHT / 16][WIDTH / 8][4] = {};
  for (int step = 0; step < STAGES - 1; step++) {
    fetch_for(step);
  }
  for (int step = 0; step < steps; step++) {
    wait_for_copies<STAGES - 2>();
    __syncthreads();
    fetch_for(step + STAGES - 1);  // in place of what was in use before
    int chunk = step / taps, tap = step % taps;
    for (int c = 0; c < CHUNK; c += 8) {
      add_product(run, &frames[chunk % 2][warp_t + tap * dilation][c], &matrices[step % STAGES][warp_n][c]);
    }
    if (tap % RUN == RUN - 1 || tap == taps - 1) {
#pragma unroll
      for (int i = 0; i < HEIGHT * WIDTH / 32; i++) {
        (&sum[0][0][0])[i] += (&run[0][0][0])[i];
        (&run[0][0][0])[i] = 0;
      }
    }
  }
  int row = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
  for (int i = 0; i < HEIGHT * WIDTH / 32; i++) {
    int part = i % 4, at = t + warp_t + i / 4 / (WIDTH / 8) * 16 + row + part / 2 * 8;
    int to = n + warp_n + i / 4 % (WIDTH / 8) * 8 + column + part % 2;
    if (at < outputs) {
      y[static_cast<size_t>(at) * N + to] = (&sum[0][0][0])[i] + bias[to];
    }
  }
}
