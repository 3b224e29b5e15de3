// Logits of two guidance branches to a token, as one block: guidance, repetition penalty, temperature, min-p, and a draw by
// inverse CDF, whose cumulative sums are in double. `mlx_impl/ops/cuda/decode.py` launches it.

constexpr int WARPS = 32, THREADS = 32 * WARPS;

// All threads' values joined, which all of them get.
template <typename T, typename F>
__device__ T over_block(T x, F join) {
  __shared__ T parts[WARPS];
  for (int far = 16; far > 0; far /= 2) {
    x = join(x, __shfl_xor_sync(~0u, x, far));
  }
  __syncthreads();
  parts[threadIdx.x / 32] = x;
  __syncthreads();
  T all = parts[0];
  for (int warp = 1; warp < WARPS; warp++) {
    all = join(all, parts[warp]);
  }
  return all;
}

// The sum of the values of the threads before this one, and of all.
__device__ double sum_before(double x, double& all) {
  __shared__ double parts[WARPS];
  double sum = x;
  for (int far = 1; far < 32; far *= 2) {
    double other = __shfl_up_sync(~0u, sum, far);
    sum += threadIdx.x % 32 >= far ? other : 0;
  }
  if (threadIdx.x % 32 == 31) {
    parts[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  double before = sum - x;
  all = 0;
  for (int warp = 0; warp < WARPS; warp++) {
    before += warp < threadIdx.x / 32 ? parts[warp] : 0;
    all += parts[warp];
  }
  return before;
}

// `settings`: guidance, penalty, temperature, min-p, and whether to draw or to take the most likely. `state`: the last
// token, its speech position and the positions cached before it; `next` is that of the token that is chosen by
// uniforms[position]. `token` is -1 where a logit is not finite. Tokens that were chosen are noted in `seen`.
template <int V>
__device__ void sample(
    const float* logits, const float* uniforms, const float* settings, const int* state, bool* seen, int* next,
    int* token) {
  __shared__ float scores[V];
  __shared__ int chosen;
  constexpr int each = (V + THREADS - 1) / THREADS;
  int first = min(static_cast<int>(threadIdx.x) * each, V), last = min(first + each, V);
  float guidance = settings[0], penalty = settings[1], temperature = settings[2], min_p = settings[3];
  bool drawn = settings[4] != 0;
  auto larger = [](auto a, auto b) { return a > b ? a : b; };
  auto plus = [](auto a, auto b) { return a + b; };

  bool finite = true;
  float most = -3.4e38f;
  for (int i = first; i < last; i++) {
    float guided = logits[i] + guidance * (logits[i] - logits[V + i]);
    finite = finite && isfinite(guided);
    if (seen[i]) {
      guided = guided < 0 ? guided * penalty : guided / penalty;
    }
    scores[i] = guided / temperature;
    most = larger(most, scores[i]);
  }
  finite = __syncthreads_and(finite);
  most = over_block(most, larger);
  if (threadIdx.x == 0) {
    chosen = drawn ? -1 : V;
  }
  __syncthreads();

  if (drawn) {
    float total = 0;
    for (int i = first; i < last; i++) {
      scores[i] = expf(scores[i] - most);
      total += scores[i];
    }
    total = over_block(total, plus);
    double sum = 0, all;
    for (int i = first; i < last; i++) {
      scores[i] = scores[i] / total < min_p / total ? 0 : scores[i];
      sum += scores[i];
    }
    double edge = sum_before(sum, all), at = uniforms[state[1]] * all;
    for (int i = first; i < last; i++) {
      // The last edge may have rounded to the number that is drawn: then it is the last token that can be drawn.
      if (scores[i] > 0 && edge <= at) {
        atomicMax(&chosen, i);
      }
      edge += scores[i];
    }
  } else {
    for (int i = first; i < last; i++) {
      if (scores[i] == most) {
        atomicMin(&chosen, i);
      }
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    token[0] = finite ? chosen : -1;
    next[0] = finite ? chosen : 0;
    next[1] = state[1] + 1;
    next[2] = state[2] + 1;
    seen[next[0]] = true;
  }
}
