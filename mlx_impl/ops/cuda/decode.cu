// A layer of T3's backbone for one new position, as one kernel of an NVIDIA GPU; and what comes before and after the
// layers. `mlx_impl/ops/cuda/decode.py` launches these.
//
// B vectors x (B, K), the guidance branches, are multiplied with weights (N, K) that are read once for all of them: by a
// warp a row, or two where a result is made of two. K and N are multiples of the values in 16 bytes. T is what is stored;
// sums, norms, rotation, softmax and activation are in float.

template <typename T>
struct alignas(16) Pack {
  static constexpr int size = 16 / sizeof(T);
  T of[size];
};

template <typename T>
__device__ Pack<T> load(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}

// The sum over each `lanes` neighbouring lanes, which all of them get.
template <int lanes = 32>
__device__ float sum_of(float x) {
  for (int far = lanes / 2; far > 0; far /= 2) {
    x += __shfl_xor_sync(~0u, x, far);
  }
  return x;
}

__device__ bool first_lane() {
  return threadIdx.x % 32 == 0;
}

// Calls f(i) for i < count, each by one warp of the grid.
template <typename F>
__device__ void share_among_warps(int count, F f) {
  int warps = blockDim.x / 32;
  for (int i = blockIdx.x * warps + threadIdx.x / 32; i < count; i += gridDim.x * warps) {
    f(i);
  }
}

// Waits until all blocks have come here: all of them must be running, one on each multiprocessor. If they do not come, the
// kernel fails after some seconds instead of waiting for ever. `arrivals` is never reset.
__device__ void wait_for_grid(unsigned* arrivals) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    unsigned last = (atomicAdd(arrivals, 1) / gridDim.x + 1) * gridDim.x;
    for (long long since = clock64(); *const_cast<volatile unsigned*>(arrivals) < last;) {
      if (clock64() - since > 10'000'000'000) {
        __trap();
      }
    }
    __threadfence();
  }
  __syncthreads();
}

// x (B, K) to shared memory.
template <typename T, int B, int K>
__device__ void fetch(T* shared, const T* x) {
  for (int k = threadIdx.x * Pack<T>::size; k < B * K; k += blockDim.x * Pack<T>::size) {
    *reinterpret_cast<Pack<T>*>(shared + k) = load(x + k);
  }
  __syncthreads();
}

// The same over the root of its mean square, times `weight (K)`: RMSNorm.
template <typename T, int B, int K>
__device__ void fetch_normalized(T* shared, const T* x, const T* weight, float eps) {
  __shared__ float factor[B];
  fetch<T, B, K>(shared, x);
  int warp = threadIdx.x / 32;
  if (warp < B) {
    float square = 0;
    for (int k = threadIdx.x % 32; k < K; k += 32) {
      float value = static_cast<float>(shared[warp * K + k]);
      square += value * value;
    }
    square = sum_of(square);
    factor[warp] = 1 / sqrtf(square / K + eps);
  }
  __syncthreads();
  for (int k = threadIdx.x; k < B * K; k += blockDim.x) {
    float value = static_cast<float>(shared[k]) * factor[k / K];
    shared[k] = static_cast<T>(static_cast<float>(weight[k % K]) * value);
  }
  __syncthreads();
}

// A warp's products of x with a row, which all lanes get.
template <typename T, int B, int K>
__device__ void multiply(float (&y)[B], const T* row, const T* x) {
  constexpr int size = Pack<T>::size;
  for (int b = 0; b < B; b++) {
    y[b] = 0;
  }
#pragma unroll 4
  for (int k = threadIdx.x % 32 * size; k < K; k += 32 * size) {
    Pack<T> weights = load(row + k);
    for (int b = 0; b < B; b++) {
      Pack<T> values = load(x + b * K + k);
      for (int i = 0; i < size; i++) {
        y[b] += static_cast<float>(weights.of[i]) * static_cast<float>(values.of[i]);
      }
    }
  }
  for (int b = 0; b < B; b++) {
    y[b] = sum_of(y[b]);
  }
}

// A weighted mean that is made bit by bit: of vectors of `size` values, with weights e^score.
template <int size>
struct Mean {
  float most = -1e30f, total = 0, sum[size] = {};

  template <typename F>
  __device__ void add(float score, float weight, F value) {
    float next = fmaxf(most, score), before = expf(most - next), now = expf(score - next);
    most = next;
    total = total * before + weight * now;
    for (int i = 0; i < size; i++) {
      sum[i] = sum[i] * before + value(i) * now;
    }
  }
};

// Attention of q (heads, D) to the first `length` positions of the cache (2, heads, capacity, D), a block a head. Each
// D / size lanes take every so many-th position; their means are joined at the end.
template <typename T, int D, int threads>
__device__ void attend(const T* q, const T* cache, int heads, int capacity, int length, T* out) {
  constexpr int size = Pack<T>::size, lanes = D / size, groups = threads / lanes, warps = threads / 32;
  __shared__ float most[warps], totals[warps], sums[warps][D];
  int group = threadIdx.x / lanes, part = threadIdx.x % lanes * size, warp = threadIdx.x / 32;
  for (int head = blockIdx.x; head < heads; head += gridDim.x) {
    const T* keys = cache + static_cast<size_t>(head) * capacity * D + part;
    const T* values = keys + static_cast<size_t>(heads) * capacity * D;
    Mean<size> mean;
    float query[size];
    for (int i = 0; i < size; i++) {
      query[i] = static_cast<float>(q[head * D + part + i]) / sqrtf(D);
    }
#pragma unroll 2
    for (int start = 0; start < length; start += groups) {
      int at = min(start + group, length - 1);
      Pack<T> key = load(keys + at * D), value = load(values + at * D);
      float score = 0;
      for (int i = 0; i < size; i++) {
        score += query[i] * static_cast<float>(key.of[i]);
      }
      score = sum_of<lanes>(score);
      if (start + group < length) {
        mean.add(score, 1, [&](int i) { return static_cast<float>(value.of[i]); });
      }
    }
    for (int far = lanes; far < 32; far *= 2) {
      float other[size], score = __shfl_xor_sync(~0u, mean.most, far), weight = __shfl_xor_sync(~0u, mean.total, far);
      for (int i = 0; i < size; i++) {
        other[i] = __shfl_xor_sync(~0u, mean.sum[i], far);
      }
      mean.add(score, weight, [&](int i) { return other[i]; });
    }
    if (threadIdx.x % 32 < lanes) {
      most[warp] = mean.most;
      totals[warp] = mean.total;
      for (int i = 0; i < size; i++) {
        sums[warp][part + i] = mean.sum[i];
      }
    }
    __syncthreads();
    if (threadIdx.x < D) {
      Mean<1> all;
      for (int w = 0; w < warps; w++) {
        all.add(most[w], totals[w], [&](int) { return sums[w][threadIdx.x]; });
      }
      out[head * D + threadIdx.x] = static_cast<T>(all.sum[0] / all.total);
    }
    __syncthreads();
  }
}

// x (B, K) times a weight (N, K), added to `residual (B, N)`.
template <typename T, int B, int K, int N>
__device__ void project_add(const T* x, const T* weight, const T* residual, T* out) {
  share_among_warps(N, [&](int row) {
    float y[B];
    multiply<T, B, K>(y, weight + row * K, x);
    for (int b = 0; first_lane() && b < B; b++) {
      out[b * N + row] = static_cast<T>(static_cast<float>(residual[b * N + row]) + y[b]);
    }
  });
}

// Inputs of a layer. Cosines and sines are (capacity, D), the cache is (2, B, K / D, capacity, D), of which keys and
// values at `position` are written.
template <typename T>
struct Layer {
  const T *x, *norm, *to_q, *to_k, *to_v, *to_out, *mlp_norm, *to_gate, *to_up, *to_down;
  float eps;
  const float *cosines, *sines;
  int position, capacity;
  T* cache;
  unsigned* arrivals;
};

// x -> `out (B, K)`. What one part leaves for the next is in `q`, `mixed` and `middle (B, K)` and `gated (B, N)`.
template <typename T, int B, int K, int N, int D, int threads>
__device__ void run(const Layer<T>& layer, T* q, T* mixed, T* middle, T* gated, T* out) {
  __shared__ alignas(16) T x[B * (K > N ? K : N)];

  // Components i and i + D / 2 of a head are rotated together.
  fetch_normalized<T, B, K>(x, layer.x, layer.norm, layer.eps);
  share_among_warps(3 * K / 2, [&](int i) {
    int which = i / (K / 2), head = i % (K / 2) / (D / 2), component = i % (D / 2), row = head * D + component;
    const T* weight = which == 0 ? layer.to_q : which == 1 ? layer.to_k : layer.to_v;
    float first[B], second[B], cosine = 1, sine = 0;
    multiply<T, B, K>(first, weight + row * K, x);
    multiply<T, B, K>(second, weight + (row + D / 2) * K, x);
    if (which < 2) {
      cosine = layer.cosines[layer.position * D + component];
      sine = layer.sines[layer.position * D + component];
    }
    for (int b = 0; first_lane() && b < B; b++) {
      size_t vector = (static_cast<size_t>(which - 1) * B + b) * (K / D) + head;
      T* to = which == 0 ? q + b * K + head * D : layer.cache + (vector * layer.capacity + layer.position) * D;
      to[component] = static_cast<T>(first[b] * cosine - second[b] * sine);
      to[component + D / 2] = static_cast<T>(second[b] * cosine + first[b] * sine);
    }
  });
  wait_for_grid(layer.arrivals);

  attend<T, D, threads>(q, layer.cache, B * K / D, layer.capacity, layer.position + 1, mixed);
  wait_for_grid(layer.arrivals);

  fetch<T, B, K>(x, mixed);
  project_add<T, B, K, K>(x, layer.to_out, layer.x, middle);
  wait_for_grid(layer.arrivals);

  fetch_normalized<T, B, K>(x, middle, layer.mlp_norm, layer.eps);
  share_among_warps(N, [&](int row) {
    float gate[B], up[B];
    multiply<T, B, K>(gate, layer.to_gate + row * K, x);
    multiply<T, B, K>(up, layer.to_up + row * K, x);
    for (int b = 0; first_lane() && b < B; b++) {
      gated[b * N + row] = static_cast<T>(gate[b] / (1 + expf(-gate[b])) * up[b]);
    }
  });
  wait_for_grid(layer.arrivals);

  fetch<T, B, N>(x, gated);
  project_add<T, B, N, K>(x, layer.to_down, middle, out);
}

// A token of speech at its position, for each of the B branches: embeddings -> x (B, K).
template <typename T, int B, int K>
__device__ void embed(const T* token, const T* position, T* x) {
  for (int k = threadIdx.x; k < B * K; k += blockDim.x) {
    x[k] = static_cast<T>(static_cast<float>(token[k % K]) + static_cast<float>(position[k % K]));
  }
}

// The last norm and the head: x (B, K) -> logits (B, N) in float.
template <typename T, int B, int K, int N>
__device__ void project_logits(const T* from, const T* norm, float eps, const T* weight, float* logits) {
  __shared__ alignas(16) T x[B * K];
  fetch_normalized<T, B, K>(x, from, norm, eps);
  share_among_warps(N, [&](int row) {
    float y[B];
    multiply<T, B, K>(y, weight + row * K, x);
    for (int b = 0; first_lane() && b < B; b++) {
      logits[b * N + row] = y[b];
    }
  });
}
